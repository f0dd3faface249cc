// Records by column (globalThis.harnessRecords): what table and case page read.
"use strict";

const INFINITE = { inf: Infinity, "-inf": -Infinity };

class Column {
  constructor(data, count) {
    Object.assign(this, data);
    this.numeric = data.kind !== "text";
    this.count = count;
    const number = (value) => (typeof value === "string" ? INFINITE[value] : value);
    if ("constant" in data) {
      const constant = this.numeric ? number(data.constant) : data.constant;
      this.at = () => constant;
    } else if (data.codes) this.at = (row) => (data.codes[row] < 0 ? null : data.levels[data.codes[row]]);
    else if (this.numeric) this.at = (row) => number(data.values[row]);
    else this.at = (row) => data.values[row];
  }

  text(row) {
    return display(this.at(row), this.kind);
  }

  // Sort keys: texts become their place in the collation, computed once over distinct values; null becomes NaN.
  get keys() {
    if (this.cached) return this.cached;
    const values = Array.from({ length: this.count }, (_, row) => this.at(row));
    if (this.numeric) this.cached = values.map((value) => value ?? NaN);
    else {
      const distinct = [...new Set(values)].filter((value) => value !== null).sort(order);
      const place = new Map(distinct.map((value, i) => [value, i]));
      this.cached = values.map((value) => place.get(value) ?? NaN);
    }
    return this.cached;
  }
}
