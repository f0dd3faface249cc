// Values as text. Classic scripts in this order share their names: address.js, text.js, filters.js, plots.js, columns.js, table.js,
// panel.js or the page's own.
"use strict";

const MISSING = "–";

const order = new Intl.Collator("en", { numeric: true }).compare;

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

// A ratio as a change: +12.3 %.
const percent = (ratio) => `${ratio >= 0.9995 ? "+" : "−"}${Math.abs(100 * (ratio - 1)).toFixed(1)} %`;

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

// An element with its properties and children. Text goes into textContent.
const element = (name, settings = {}, ...children) => {
  const made = Object.assign(document.createElement(name), settings);
  made.append(...children);
  return made;
};

// Plotly renders a subset of HTML in every label.
const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// A table in the element `table`: each column has a title and makes a cell's text, or its link.
function fillTable(table, caption, columns, rows) {
  const head = element("tr", {}, ...columns.map(({ title, number }) => element("th", { scope: "col", textContent: title, className: number ? "number" : "" })));
  const lines = rows.map((row) => element("tr", {}, ...columns.map(({ number, text, link, prose }, i) => {
    const cell = element(i ? "td" : "th", { className: number ? "number" : prose ? "prose" : "" });
    if (!i) cell.scope = "row";
    if (link) cell.append(element("a", { href: link(row), textContent: text(row) }));
    else cell.textContent = text(row);
    return cell;
  })));
  table.replaceChildren(element("caption", { className: "hidden", textContent: caption }), element("thead", {}, head), element("tbody", {}, ...lines));
}
