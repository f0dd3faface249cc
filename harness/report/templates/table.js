// The table of records (globalThis.harnessRecords).
// Text from the results reaches the document through textContent and Option only.
"use strict";

// RFC 4180; a text that a spreadsheet would run as a formula gets an apostrophe in front.
function csvCell(value) {
  if (value === null) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : value > 0 ? "inf" : "-inf";
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

class Table {
  constructor(data) {
    this.count = data.count;
    this.looks = data.looks;
    this.columns = data.columns.map((column) => new Column(column, data.count));
    this.byName = new Map(this.columns.map((column) => [column.name, column]));
    this.head = document.querySelector("#records thead tr");
    this.body = document.querySelector("#records tbody");
    this.search = document.querySelector("#search");
    this.selects = [...document.querySelectorAll("[data-filter]")];
    this.sort = { name: null, descending: false };
    this.page = 0;
    this.rows = [];
  }

  start() {
    this.fillFilters();
    this.fillChooser();
    this.readAddress();
    const form = document.querySelector("#record-filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.filter());
    form.addEventListener("reset", () => setTimeout(() => this.filter()));
    addEventListener("hashchange", () => { this.readAddress(); this.filter(); });
    document.querySelector("#previous").addEventListener("click", () => this.turn(-1));
    document.querySelector("#next").addEventListener("click", () => this.turn(1));
    document.querySelector("#page-size").addEventListener("change", () => { this.page = 0; this.show(); });
    document.querySelector("#download").addEventListener("click", () => this.download());
    document.addEventListener("click", ({ target }) => {
      const chooser = document.querySelector("#columns");
      if (!chooser.contains(target)) chooser.open = false;
    });
    this.header();
    this.filter();
  }

  fillFilters() {
    for (const select of this.selects) {
      const column = this.byName.get(select.dataset.filter);
      select.closest("label").hidden = !column;
      if (!column) continue;
      const counts = new Map();
      for (let row = 0; row < this.count; row++) counts.set(column.at(row), (counts.get(column.at(row)) ?? 0) + 1);
      const names = [...counts.keys()].filter((name) => name !== null).sort(order);
      for (const name of names) select.append(new Option(`${name} (${counts.get(name).toLocaleString("en-US")})`, name));
    }
  }

  fillChooser() {
    const fieldset = document.querySelector("#columns fieldset");
    for (const column of this.columns) {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: column.shown });
      box.addEventListener("change", () => { column.shown = box.checked; this.header(); this.show(); });
      label.append(box, column.label);
      fieldset.append(label);
    }
    const chooser = document.querySelector("#columns");
    chooser.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      chooser.open = false;
      chooser.querySelector("summary").focus();
    });
  }

  // The address carries the filters (#status=skipped&q=int8), so that a selection can be linked to.
  readAddress() {
    const wanted = new URLSearchParams(chosenInAddress());
    this.search.value = wanted.get("q") ?? "";
    for (const select of this.selects) {
      select.value = wanted.get(select.dataset.filter) ?? "";
      if (select.selectedIndex < 0) select.value = "";
    }
  }

  writeAddress() {
    const chosen = this.selects.filter((select) => select.value).map((select) => [select.dataset.filter, select.value]);
    if (this.search.value) chosen.push(["q", this.search.value]);
    remember(new URLSearchParams(chosen).toString());
  }

  // One lower-case line a row of everything that a reader may type, made at the first search.
  get lines() {
    const searched = this.columns.filter((column) => !column.numeric && !("constant" in column));
    this.cachedLines ??= Array.from({ length: this.count }, (_, row) => searched.map((column) => column.at(row) ?? "").join("\n").toLowerCase());
    return this.cachedLines;
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = this.selects.filter((select) => select.value).map((select) => [this.byName.get(select.dataset.filter), select.value]);
    const lines = words.length ? this.lines : [];
    this.rows = [];
    for (let row = 0; row < this.count; row++) {
      if (chosen.every(([column, value]) => column.at(row) === value) && words.every((word) => lines[row].includes(word))) this.rows.push(row);
    }
    this.page = 0;
    this.arrange();
    this.show();
    this.writeAddress();
  }

  arrange() {
    const { name, descending } = this.sort;
    if (name === null) return;
    const keys = this.byName.get(name).keys;
    const sign = descending ? -1 : 1;
    // Null stays last in both directions; equal rows keep the order of the records.
    this.rows.sort((a, b) => {
      const [left, right] = [keys[a], keys[b]];
      if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right) || a - b;
      return left === right ? a - b : left < right ? -sign : sign;
    });
  }

  sortBy(name) {
    const again = this.sort.name === name;
    this.sort = { name, descending: again ? !this.sort.descending : false };
    this.page = 0;
    this.arrange();
    this.header(name);
    this.show();
  }

  get shown() {
    return this.columns.filter((column) => column.shown);
  }

  header(focus) {
    const cells = this.shown.map((column) => {
      const cell = Object.assign(document.createElement("th"), { scope: "col", className: column.numeric ? "number" : "" });
      const sorted = this.sort.name === column.name;
      if (sorted) cell.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: column.label });
      if (sorted) button.append(Object.assign(document.createElement("span"), { textContent: this.sort.descending ? " ↓" : " ↑", ariaHidden: "true" }));
      button.addEventListener("click", () => this.sortBy(column.name));
      cell.append(button);
      return cell;
    });
    this.head.replaceChildren(...cells);
    const place = this.shown.findIndex((column) => column.name === focus);
    if (place >= 0) cells[place].firstChild.focus();
  }

  get pageSize() {
    return Number(document.querySelector("#page-size").value);
  }

  turn(step) {
    this.page += step;
    this.show();
    document.querySelector(".scroll.table").scrollTop = 0;
  }

  show() {
    const pages = Math.max(1, Math.ceil(this.rows.length / this.pageSize));
    const first = this.page * this.pageSize;
    const lines = this.rows.slice(first, first + this.pageSize).map((row) => this.line(row));
    this.body.replaceChildren(...lines);
    const grouped = (value) => value.toLocaleString("en-US");
    document.querySelector("#count").textContent = `${grouped(this.rows.length)} of ${grouped(this.count)} records`;
    document.querySelector("#page").textContent = `Page ${grouped(this.page + 1)} of ${grouped(pages)}`;
    document.querySelector("#previous").disabled = this.page === 0;
    document.querySelector("#next").disabled = this.page + 1 >= pages;
    document.querySelector("#download").disabled = this.rows.length === 0;
  }

  line(row) {
    const line = document.createElement("tr");
    const [id, run] = ["case_id", "run_id"].map((name) => this.byName.get(name)?.at(row));
    this.shown.forEach((column, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      if (column.numeric) cell.className = "number";
      const text = column.text(row);
      if (column.name === "case" && id) cell.append(Object.assign(document.createElement("a"), { href: caseAddress(id, run), textContent: text }));
      else cell.textContent = text;
      if (text.length > 30) cell.title = text;
      if (column.name === "scheme_label") cell.prepend(this.glyph(text));
      line.append(cell);
    });
    return line;
  }

  glyph(scheme) {
    const [color, symbol] = this.looks[scheme];
    const glyph = Object.assign(document.createElement("span"), { textContent: `${symbol} `, ariaHidden: "true" });
    glyph.style.color = color;
    return glyph;
  }

  download() {
    const columns = this.columns.filter((column) => !column.derived);
    const lines = [columns.map((column) => csvCell(column.name)), ...this.rows.map((row) => columns.map((column) => csvCell(column.at(row))))];
    const blob = new Blob([lines.map((cells) => cells.join(",")).join("\r\n"), "\r\n"], { type: "text/csv" });
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "records.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

if (document.querySelector("#records")) new Table(globalThis.harnessRecords).start();
