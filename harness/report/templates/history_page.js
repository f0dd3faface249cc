// Cases over their runs (history.html#id=…&on=…&q=…). globalThis.harnessHistory: runs, and by case its times, level, changes, what
// changed around it (events: run and number of a text) and what people said of it (annotations).
// Text from the results reaches the document through textContent and Option only, and Plotly escaped.
"use strict";

const ROWS = 200;
const SLOWER = "#D55E00", FASTER = "#009E73", POINTS = "#0072B2", NEUTRAL = "#808080";

// Run ids begin with their time, 20260131T020000Z: 2026-01-31.
const night = (run) => (/^\d{8}T/.test(run) ? `${run.slice(0, 4)}-${run.slice(4, 6)}-${run.slice(6, 8)}` : run);
const causeWords = (causes) => causes.map(({ name, before, after }) => `${name} ${before} → ${after}`).join(", ") || "nothing that is recorded";

const NOTE = "✎";
// Commits change every night; what else changes is marked.
const marked = (text) => Boolean(text?.split(", ").some((each) => !each.startsWith("git_commit ")));
// In lines, since Plotly does not wrap.
const folded = (text) => escaped(text).replace(/(.{1,60})(?:\s+|$)/g, "$1<br>");

class HistoryPage {
  constructor({ runs, texts, cases }) {
    Object.assign(this, { runs, texts, cases });
    this.search = document.querySelector("#history-search");
    this.shown = document.querySelector("#history-shown");
    this.fields = [...document.querySelectorAll("[data-field]")];
  }

  start() {
    for (const select of this.fields) {
      const values = [...new Set(this.cases.map((each) => each[select.dataset.field]))].filter(Boolean).sort(order);
      select.append(...values.map((value) => new Option(value, value)));
      select.closest("label").hidden = values.length < 2;
    }
    const form = document.querySelector("#history-filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { this.note(); this.list(); });
    addEventListener("hashchange", () => this.read());
    addEventListener("resize", () => requestAnimationFrame(() => this.draw()));
    dark.addEventListener("change", () => this.draw());
    this.read();
  }

  read() {
    const wanted = new URLSearchParams(chosenInAddress());
    this.search.value = wanted.get("q") ?? "";
    this.shown.value = wanted.get("shown") ?? "";
    for (const select of this.fields) select.value = wanted.get(select.dataset.field) ?? "";
    const [id, on] = [wanted.get("id"), wanted.get("on")];
    this.case = this.cases.find((each) => each.case_id === id && (!on || each.machine === on)) ?? this.cases[0];
    this.list();
    this.show();
  }

  choices(more = {}) {
    const chosen = { q: this.search.value, shown: this.shown.value, ...Object.fromEntries(this.fields.map((each) => [each.dataset.field, each.value])), ...more };
    return new URLSearchParams(Object.entries(chosen).filter(([, value]) => value)).toString();
  }

  address({ case_id: id, machine: on }) {
    return `history.html#${this.choices({ id, on })}`;
  }

  note() {
    remember(this.choices({ id: this.case.case_id, on: this.case.machine }));
  }

  list() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (each) =>
      words.every((word) => each.case.toLowerCase().includes(word)) &&
      this.fields.every((select) => !select.value || each[select.dataset.field] === select.value) &&
      (!this.shown.value || (this.shown.value === "slower" ? Boolean(each.level?.slower_since) : each.changes.length > 0));
    const rows = this.cases.filter(fits);
    const first = rows.slice(0, ROWS);
    document.querySelector("#history-count").textContent =
      `${rows.length.toLocaleString("en-US")} of ${this.cases.length.toLocaleString("en-US")} cases${rows.length > ROWS ? `; the first ${ROWS} are shown` : ""}`;
    const last = (each) => each.changes.at(-1);
    fillTable(document.querySelector("#history-table"), "Cases and how their times went", [
      { title: "Case", text: (each) => each.case, link: (each) => this.address(each) },
      { title: "Now", text: (each) => (each.level?.slower_since ? "▲ slower" : each.changes.length ? "changed" : "steady") },
      { title: "Last run", number: true, text: (each) => (each.last_ratio === null ? MISSING : percent(each.last_ratio)) },
      { title: "Level", number: true, text: (each) => display(each.level?.median_s ?? null, "seconds") },
      { title: "MAD", number: true, text: (each) => display(each.level?.mad ?? null, "fraction") },
      { title: "Runs", number: true, text: (each) => String(each.run.length) },
      { title: "Last change", text: (each) => (last(each) ? night(last(each).run_id) : MISSING) },
      { title: "By", number: true, text: (each) => (last(each) ? percent(last(each).ratio) : MISSING) },
      { title: "With", prose: true, text: (each) => (last(each) ? causeWords(last(each).causes) : MISSING) },
    ], first);
  }

  show() {
    const { case: name, machine, level, floor, failed, changes, case_id: id } = this.case;
    document.querySelector("#history-case").hidden = false;
    document.querySelector("#history-name").textContent = name;
    const parts = [machine];
    if (level) parts.push(`level ${display(level.median_s, "seconds")} over ${level.runs} runs since ${night(level.since)}, MAD ${display(level.mad, "fraction")}`);
    if (level?.slower_since) parts.push(`slower since ${night(level.slower_since)}`);
    if (floor) parts.push(`noise floor ${display(floor, "fraction")}`);
    if (failed.length) parts.push(`${failed.length} runs failed (${[...new Set(failed.map(([, status]) => status))].join(", ")})`);
    document.querySelector("#history-words").textContent = `${parts.join("; ")}.`;
    document.querySelector("#history-link").href = caseAddress(id);
    fillTable(document.querySelector("#history-changes"), "Changes of level", [
      { title: "From run", text: (each) => each.run_id },
      { title: "Change", text: (each) => each.verdict },
      { title: "By", number: true, text: (each) => `${percent(each.ratio)} (${percent(each.low)} … ${percent(each.high)})` },
      { title: "q", number: true, text: (each) => significant(each.q, 2) },
      { title: "After run", text: (each) => each.previous_run_id },
      { title: "What else changed between them", prose: true, text: (each) => causeWords(each.causes) },
    ], changes);
    document.querySelector("#history-changes").hidden = !changes.length;
    const notes = document.querySelector("#history-notes");
    notes.replaceChildren(...this.case.annotations.map(({ run_id: run, why, accepts }) =>
      element("li", { textContent: `${NOTE} ${night(run)}: ${why}${accepts ? " (accepted: a new level from there on)" : ""}` })));
    notes.hidden = !this.case.annotations.length;
    this.draw();
  }

  // The levels between changes, as medians.
  levels() {
    const { run, time_s: times, changes } = this.case;
    const starts = [0, ...changes.map(({ run_id: id }) => run.indexOf(this.runs.indexOf(id))), run.length];
    return starts.slice(0, -1).map((start, i) => {
      const part = times.slice(start, starts[i + 1]).sort((a, b) => a - b);
      const middle = (part.length - 1) / 2;
      return { from: run[start], to: run[starts[i + 1] - 1], median: (part[Math.floor(middle)] + part[Math.ceil(middle)]) / 2 };
    });
  }

  draw() {
    const { run, time_s: times, low_s: low, high_s: high, sqnr_db: sqnr, changes, annotations: said } = this.case;
    const events = new Map(this.case.events.map(([at, text]) => [at, this.texts[text]]));
    const micro = (value) => (value === null ? null : value * 1e6);
    const plot = document.querySelector("#history-plot");
    const hover = run.map((each, i) => [escaped(this.runs[each]), escaped(display(times[i], "seconds")), escaped(display(sqnr[i], "decibel")), events.has(each) ? `<br>${folded(events.get(each))}` : ""]);
    const bars = low.every((value) => value !== null) && high.every((value) => value !== null);
    const points = {
      type: "scatter", mode: "lines+markers", name: "run", x: run, y: times.map(micro), customdata: hover,
      hovertemplate: "%{customdata[0]}<br>%{customdata[1]}<br>SQNR %{customdata[2]}%{customdata[3]}<extra></extra>",
      line: { color: NEUTRAL, width: 1 }, marker: { color: POINTS, size: run.map((each) => (marked(events.get(each)) ? 10 : 7)), symbol: run.map((each) => (marked(events.get(each)) ? "diamond" : "circle")) },
      ...(bars ? { error_y: { type: "data", symmetric: false, array: times.map((value, i) => micro(high[i] - value)), arrayminus: times.map((value, i) => micro(value - low[i])), color: POINTS, thickness: 1, width: 2 } } : {}),
    };
    const levels = this.levels().map(({ from, to, median }) => ({
      type: "scatter", mode: "lines", x: [from - 0.4, to + 0.4], y: [micro(median), micro(median)], hoverinfo: "skip", line: { color: "#E69F00", width: 3 },
    }));
    const shapes = [], annotations = [];
    for (const { run_id: id, ratio, verdict } of changes) {
      const x = this.runs.indexOf(id) - 0.5;
      const color = verdict === "slower" ? SLOWER : FASTER;
      shapes.push({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color, width: 2, dash: "dash" } });
      annotations.push({ x, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, text: `${verdict === "slower" ? "▲" : "▼"} ${percent(ratio)}`, font: { color, size: 12 } });
    }
    for (const { run_id: id, why } of said) {
      const x = (this.runs.includes(id) ? this.runs.indexOf(id) : this.runs.filter((each) => each < id).length) - 0.5;
      shapes.push({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: NEUTRAL, width: 1, dash: "dot" } });
      annotations.push({ x, yref: "paper", y: 0, yanchor: "bottom", xanchor: "left", showarrow: false, text: NOTE, hovertext: folded(why), font: { size: 14 } });
    }
    const step = Math.max(1, Math.ceil(this.runs.length / Math.max(3, Math.floor(plot.clientWidth / 110))));
    const ticks = this.runs.map((_, i) => i).filter((i) => i % step === 0);
    globalThis.Plotly.react(plot, [...levels, points], {
      template: theme(), width: plot.clientWidth, height: 426, margin: { t: 60, r: 20, l: 70, b: 54 }, showlegend: false, shapes, annotations,
      dragmode: touch.matches ? false : "zoom",
      xaxis: { title: { text: "Run" }, tickvals: ticks, ticktext: ticks.map((i) => escaped(night(this.runs[i]))), automargin: true },
      yaxis: { title: { text: "Time per call (µs), shorter is better" }, automargin: true },
    }, CONFIG);
  }
}

if (globalThis.harnessHistory?.cases.length) new HistoryPage(globalThis.harnessHistory).start();
