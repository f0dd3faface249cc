// Draws the figures (globalThis.harnessFigures) and the table of records (globalThis.harnessRecords) of a page.
// Text from the results reaches the document through textContent and Option only, and Plotly already escaped.
"use strict";

const MISSING = "–";

// ---------------------------------------------------------------------------------------------------- values as text

const PREFIXES = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];
const UNITS = {
  seconds: "s", bytes: "B", flops: "FLOP", bytes_per_s: "B/s", flops_per_s: "FLOP/s", hertz: "Hz", watts: "W", joules: "J",
};

function withPrefix(value, unit) {
  if (value === 0) return `0 ${unit}`;
  const rounded = Number(value.toPrecision(3));
  const [scale, prefix] = PREFIXES.find(([limit]) => Math.abs(rounded) >= limit) ?? PREFIXES.at(-1);
  const scaled = rounded / scale;
  const decimals = Math.abs(scaled) < 10 ? 2 : Math.abs(scaled) < 100 ? 1 : 0;
  return `${scaled.toFixed(decimals)} ${prefix}${unit}`;
}

const significant = (value, digits) => String(Number(value.toPrecision(digits)));

function display(value, kind) {
  if (value === null) return MISSING;
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (kind in UNITS) return withPrefix(value, UNITS[kind]);
  switch (kind) {
    case "decibel": return `${value.toFixed(1)} dB`;
    case "fraction": return `${significant(100 * value, 3)} %`;
    case "ratio": return `${Math.abs(value) < 1000 ? significant(value, 3) : value.toFixed(0)}×`;
    case "integer": return Math.abs(value) < 10000 ? String(value) : value.toLocaleString("en-US").replaceAll(",", "\u202f");
    default: return significant(value, 4);
  }
}

// ------------------------------------------------------------------------------------------------------------ figures

// A list of what is wanted rather than of what is not: Plotly's own list has a button that uploads the figure.
const CONFIG = {
  displaylogo: false,
  plotlyServerURL: "",
  modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
};

const dark = matchMedia("(prefers-color-scheme: dark)");
const touch = matchMedia("(pointer: coarse)");

function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: color("--grid"), zerolinecolor: color("--line"), linecolor: color("--line"), tickcolor: color("--line") };
  const font = { color: color("--text"), family: getComputedStyle(document.body).fontFamily, size: 12 };
  return {
    layout: {
      font,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis,
      yaxis: axis,
      hoverlabel: { align: "left", bgcolor: color("--card"), bordercolor: color("--muted"), font },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--muted"), activecolor: color("--accent") },
    },
  };
}

// Trace names are escaped for Plotly, which renders a subset of HTML; the legend shows them as text.
const plain = (name) => name.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

// A button a name: it hides and shows the traces of that name; a double click hides all others, or shows all again.
function legend(panel, traces) {
  const names = [...new Set(traces.map(({ name }) => name).filter(Boolean))];
  const places = (name) => traces.flatMap((trace, place) => (trace.name === name ? [place] : []));
  const buttons = new Map();
  const set = (name, visible) => {
    buttons.get(name).setAttribute("aria-pressed", String(visible));
    globalThis.Plotly.restyle(panel.plot, { visible }, places(name));
  };
  const visible = (name) => buttons.get(name).getAttribute("aria-pressed") === "true";
  for (const name of names) {
    const trace = traces.findLast((other) => other.name === name);
    const glyph = Object.assign(document.createElement("span"), { textContent: trace.meta?.glyph ?? "", ariaHidden: "true" });
    glyph.style.color = trace.marker?.color ?? trace.line?.color;
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.setAttribute("aria-pressed", "true");
    button.append(glyph, ` ${plain(name)}`);
    button.addEventListener("click", () => set(name, !visible(name)));
    button.addEventListener("dblclick", () => {
      const others = names.filter((other) => other !== name);
      const alone = visible(name) && others.every((other) => !visible(other));
      set(name, true);
      for (const other of others) set(other, alone);
    });
    buttons.set(name, button);
  }
  panel.legend.replaceChildren(...buttons.values());
}

// On a narrow page names of rows lie above their rows instead of beside them, and long axis titles take two lines.
function narrow(layout, rows) {
  const { xaxis, yaxis } = layout;
  xaxis.title.text = xaxis.title.text.replace(", ", ",<br>");
  if (!rows) return;
  const place = { xref: "paper", x: 0, xanchor: "left", yref: "y", yshift: 15, showarrow: false };
  layout.annotations = yaxis.tickvals.map((y, i) => ({ ...place, y, text: yaxis.ticktext[i] }));
  yaxis.showticklabels = false;
  layout.margin.l = 8;
  layout.height += 10 * yaxis.tickvals.length;
  layout.bargap = 0.65;
}

function render(panel) {
  const drawing = panel.drawing;
  panel.message.hidden = !drawing.absent;
  panel.message.textContent = drawing.absent ? `Not drawn: ${drawing.absent}.` : "";
  panel.plot.hidden = panel.legend.hidden = Boolean(drawing.absent);
  panel.notes.replaceChildren(...(drawing.notes ?? []).map((note) => Object.assign(document.createElement("li"), { textContent: note })));
  panel.notes.hidden = !drawing.notes?.length;
  if (drawing.absent) return;
  const width = panel.plot.clientWidth;
  const margin = { t: 28, r: 28, l: 64, b: 54 };
  const layout = {
    ...structuredClone(drawing.layout),
    template: theme(),
    width,
    height: drawing.height + margin.t + margin.b,
    margin,
    dragmode: touch.matches ? false : "zoom",
  };
  if (width < 600) narrow(layout, drawing.rows);
  // Copies, because the legend hides traces by changing them.
  const traces = drawing.data.map((trace) => ({ ...trace }));
  globalThis.Plotly.react(panel.plot, traces, layout, CONFIG);
  legend(panel, traces);
}

function options(select, values) {
  const kept = select.value;
  select.replaceChildren(...values.map((value) => new Option(value, value)));
  if (values.includes(kept)) select.value = kept;
}

// The drawing of `panel` for what is chosen on the page, and on the figure where it has a choice of its own.
function choose(panel, chosen) {
  const { split, drawings } = panel.figure;
  const fits = drawings.filter(({ key }) => split.every((name, i) => !(name in chosen) || chosen[name] === key[i]));
  if (panel.own) {
    const place = split.indexOf(panel.own.dataset.own);
    options(panel.own, fits.map(({ key }) => key[place]));
    panel.own.disabled = fits.length < 2;
    return fits.find(({ key }) => key[place] === panel.own.value) ?? { absent: "there is nothing for this choice" };
  }
  return fits[0] ?? { absent: "there is nothing for this choice" };
}

function startFigures(figures) {
  const selects = [...document.querySelectorAll("#choices select")];
  const panels = [...document.querySelectorAll("[data-figure]")].map((plot) => {
    const card = plot.closest("section");
    const [legend, message, notes] = [".legend", ".absent", ".notes"].map((name) => card.querySelector(name));
    return { plot, legend, message, notes, own: card.querySelector("[data-own]"), figure: figures[plot.dataset.figure], near: false };
  });
  const update = (panel) => {
    if (!panel.near) return;
    panel.drawing = choose(panel, Object.fromEntries(selects.map((select) => [select.dataset.choice, select.value])));
    render(panel);
  };
  const updateAll = () => panels.forEach(update);
  // Figures are drawn as they come near the viewport: a long page opens as fast as a short one.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter(({ isIntersecting }) => isIntersecting)) {
      seen.unobserve(entry.target);
      const panel = panels.find(({ plot }) => plot === entry.target);
      panel.near = true;
      update(panel);
    }
  }, { rootMargin: "600px" });
  for (const panel of panels) {
    seen.observe(panel.plot);
    panel.own?.addEventListener("change", () => update(panel));
  }
  for (const select of selects) select.addEventListener("change", updateAll);
  dark.addEventListener("change", updateAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    // A phone's address bar changes the height only.
    if (innerWidth !== width) requestAnimationFrame(updateAll);
    width = innerWidth;
  });
  addEventListener("beforeprint", () => {
    for (const panel of panels) panel.near = true;
    updateAll();
  });
}

// ------------------------------------------------------------------------------------------------------------ records

const order = new Intl.Collator("en", { numeric: true }).compare;
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
    const wanted = new URLSearchParams(location.hash.slice(1));
    this.search.value = wanted.get("q") ?? "";
    for (const select of this.selects) {
      select.value = wanted.get(select.dataset.filter) ?? "";
      if (select.selectedIndex < 0) select.value = "";
    }
  }

  writeAddress() {
    const chosen = this.selects.filter((select) => select.value).map((select) => [select.dataset.filter, select.value]);
    if (this.search.value) chosen.push(["q", this.search.value]);
    const hash = new URLSearchParams(chosen).toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
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
    this.shown.forEach((column, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      if (column.numeric) cell.className = "number";
      const text = column.text(row);
      cell.textContent = text;
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

if (globalThis.harnessFigures) startFigures(globalThis.harnessFigures);
if (globalThis.harnessRecords) new Table(globalThis.harnessRecords).start();
