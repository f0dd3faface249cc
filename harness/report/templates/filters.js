// What a reader leaves of a page: the points of a figure whose card has drop-downs (data-narrow), and what follows the choices
// of the page (data-follows). Text from the results reaches the document through Option only.
"use strict";

// Places in a point's customdata; CASE_ID is there where the point is a single case.
const CASE_ID = 7;
const NARROW = { kernel: 2, shape: 3, format: 8, granularity: 9 };

const singleCases = (traces) => traces.flatMap(({ customdata }) => customdata ?? []).filter((data) => data[CASE_ID]);

// The drop-downs offer what the drawing has; what was chosen stays where it is still there.
function fillNarrow(panel) {
  const cases = singleCases(panel.drawing.data ?? []);
  for (const select of panel.narrow) {
    const kept = select.value || select.dataset.wanted || "";
    delete select.dataset.wanted;
    const values = [...new Set(cases.map((data) => data[NARROW[select.dataset.narrow]]))].filter(Boolean).sort(order);
    select.replaceChildren(new Option("all", ""), ...values.map((value) => new Option(plain(value.replaceAll("<br>", " ")), value)));
    select.value = values.includes(kept) ? kept : "";
    select.closest("label").hidden = values.length < 2;
  }
}

// Nothing chosen: the traces as they are. Else single cases alone, as large points, with the front through them.
function narrowed(panel, traces) {
  const wanted = panel.narrow.filter(({ value }) => value).map(({ dataset, value }) => [NARROW[dataset.narrow], value]);
  if (!wanted.length) return traces;
  const fits = (data) => data[CASE_ID] && wanted.every(([place, value]) => data[place] === value);
  const front = traces.find(({ name }) => name === FRONT);
  const left = traces.filter((trace) => trace !== front).map((trace) => {
    const rows = trace.customdata.flatMap((data, i) => (fits(data) ? [i] : []));
    const only = (values) => rows.map((i) => values[i]);
    return { ...trace, x: only(trace.x), y: only(trace.y), customdata: only(trace.customdata), marker: { ...trace.marker, size: 8, opacity: 0.9 } };
  }).filter(({ x }) => x.length);
  return front ? [...left, frontOf(front, left)] : left;
}

const FRONT = "Pareto front";

function frontOf(front, traces) {
  const sign = front.line.shape === "vh" ? 1 : -1; // vh: larger x is better
  const points = traces.flatMap(({ x, y, customdata }) => x.map((value, i) => ({ x: value, y: y[i], data: customdata[i] })));
  points.sort((a, b) => sign * (b.x - a.x) || b.y - a.y);
  let best = -Infinity;
  const kept = points.filter(({ y }) => y !== null && y > best && ((best = y), true));
  kept.sort((a, b) => a.x - b.x);
  return { ...front, x: kept.map(({ x }) => x), y: kept.map(({ y }) => y), customdata: kept.map(({ data }) => data) };
}

// Parts that are of one operation or device are shown where these are chosen.
function follow(selects) {
  for (const part of document.querySelectorAll("[data-follows]")) {
    const other = selects.some(({ dataset, value }) => {
      const own = part.getAttribute(`data-of-${dataset.choice}`);
      return own && own !== value;
    });
    part.hidden = other;
  }
}
