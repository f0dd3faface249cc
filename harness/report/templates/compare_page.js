// Two runs side by side (compare.html#a=…&b=…&q=…&verdict=…). globalThis.harnessCompare: verdicts and notes of pairs of runs;
// figures come from the records. Text from the results reaches the document through textContent and Option only, and Plotly escaped.
"use strict";

const ROWS = 200;
const LOOKS = {
  broken: ["#CC79A7", "x", "✖"], slower: ["#D55E00", "triangle-up", "▲"], faster: ["#009E73", "triangle-down", "▼"],
  unsure: ["#E69F00", "diamond", "◆"], same: ["#808080", "circle", "●"], "not judged": ["#56B4E9", "square", "■"], "not timed": ["#808080", "circle-open", "○"],
};
const VERDICTS = Object.keys(LOOKS);

class ComparePage {
  constructor(records, { verdicts, notes }) {
    this.columns = new Map(records.columns.map((data) => [data.name, new Column(data, records.count)]));
    Object.assign(this, { verdicts, notes, byRun: new Map() });
    for (let row = 0; row < records.count; row++) {
      const [run, id] = [this.at("run_id", row), this.at("case_id", row)];
      if (!run || !id) continue;
      if (!this.byRun.has(run)) this.byRun.set(run, new Map());
      this.byRun.get(run).set(id, row);
    }
    // Run ids begin with their time.
    this.runs = [...this.byRun.keys()].sort((a, b) => order(b, a));
    [this.a, this.b, this.search, this.verdict, this.kernel] = ["a", "b", "search", "verdict", "kernel"].map((name) => document.querySelector(`#compare-${name}`));
  }

  at(name, row) {
    return this.columns.get(name)?.at(row) ?? null;
  }

  start() {
    const label = (run) => {
      const row = this.byRun.get(run).values().next().value;
      return [run, this.at("suite", row), this.at("device_label", row)].filter(Boolean).join(" · ");
    };
    for (const select of [this.a, this.b]) select.append(...this.runs.map((run) => new Option(label(run), run)));
    this.verdict.append(...VERDICTS.map((name) => new Option(name, name)));
    const kernels = [...new Set(this.runs.flatMap((run) => [...this.byRun.get(run).values()].map((row) => this.at("kernel", row))))].filter(Boolean).sort(order);
    this.kernel.append(...kernels.map((name) => new Option(name, name)));
    for (const form of document.querySelectorAll("#compare-runs, #compare-filters")) {
      form.addEventListener("submit", (event) => event.preventDefault());
    }
    document.querySelector("#compare-runs").addEventListener("input", () => { this.note(); this.show(); });
    document.querySelector("#compare-filters").addEventListener("input", () => { this.note(); this.list(); });
    addEventListener("hashchange", () => this.read());
    addEventListener("resize", () => requestAnimationFrame(() => this.draw()));
    dark.addEventListener("change", () => this.draw());
    this.read();
  }

  // The newest pair with verdicts, else the two newest runs that share a case.
  initial() {
    const judged = Object.keys(this.verdicts).map((key) => key.split(" ")).sort((x, y) => order(y[1], x[1]))[0];
    if (judged) return judged;
    for (const b of this.runs) {
      const a = this.runs.find((run) => run !== b && [...this.byRun.get(run).keys()].some((id) => this.byRun.get(b).has(id)));
      if (a) return order(a, b) < 0 ? [a, b] : [b, a];
    }
    return [this.runs[1] ?? this.runs[0], this.runs[0]];
  }

  read() {
    const wanted = new URLSearchParams(chosenInAddress());
    const [a, b] = this.initial();
    this.a.value = this.byRun.has(wanted.get("a")) ? wanted.get("a") : a;
    this.b.value = this.byRun.has(wanted.get("b")) ? wanted.get("b") : b;
    this.search.value = wanted.get("q") ?? "";
    this.verdict.value = wanted.get("verdict") ?? "";
    this.kernel.value = wanted.get("kernel") ?? "";
    this.show();
  }

  note() {
    const chosen = { a: this.a.value, b: this.b.value, q: this.search.value, verdict: this.verdict.value, kernel: this.kernel.value };
    remember(new URLSearchParams(Object.entries(chosen).filter(([, value]) => value)).toString());
  }

  show() {
    const [before, after] = [this.a, this.b].map(({ value }) => this.byRun.get(value));
    const key = `${this.a.value} ${this.b.value}`;
    const judged = this.verdicts[key];
    this.pairs = [...(before ?? new Map())].filter(([id]) => after.has(id)).map(([id, a]) => this.pair(id, a, after.get(id), judged?.[id]));
    const rank = ({ verdict }) => VERDICTS.indexOf(verdict);
    this.pairs.sort((x, y) => rank(x) - rank(y) || Math.abs(Math.log(y.ratio ?? 1)) - Math.abs(Math.log(x.ratio ?? 1)));
    const counts = VERDICTS.map((name) => [this.pairs.filter(({ verdict }) => verdict === name).length, name]).filter(([count]) => count);
    document.querySelector("#compare-words").textContent =
      `${this.pairs.length.toLocaleString("en-US")} cases on both sides${counts.length ? `: ${counts.map(([count, name]) => `${count} ${name}`).join(", ")}` : ""}.` +
      (judged ? "" : this.machines() ?? " Verdicts are made of each suite's two newest runs on a machine; harness compare makes those of others.");
    const notes = this.notes[key] ?? [];
    const list = document.querySelector("#compare-notes");
    list.replaceChildren(...notes.map((textContent) => element("li", { textContent })));
    list.hidden = !notes.length;
    this.list();
    this.draw();
  }

  // Words on two machines; null where it is one.
  machines() {
    const pair = this.pairs.find(({ ratio }) => ratio !== null) ?? this.pairs[0];
    const [a, b] = pair ? [this.at("device_label", pair.a), this.at("device_label", pair.b)] : [];
    if (!pair || a === b) return null;
    const ratios = this.pairs.filter(({ ratio }) => ratio !== null).map(({ ratio }) => ratio).sort((x, y) => x - y);
    const middle = ratios.length ? `: in the median, ${b} takes ${significant(ratios[Math.floor(ratios.length / 2)], 3)} times as long as ${a}` : "";
    return ` Two machines${middle}; there are no verdicts between machines.`;
  }

  pair(id, a, b, judged) {
    const [time_a, time_b] = [this.at("time_s", a), this.at("time_s", b)];
    const [status_a, status_b] = [this.at("status", a), this.at("status", b)];
    const ratio = time_a && time_b ? time_b / time_a : null;
    const broken = status_a === "ok" && status_b !== "ok" && status_b !== "skipped";
    const verdict = broken ? "broken" : ratio === null ? "not timed" : (judged?.[0] ?? "not judged");
    return { id, a, b, ratio, verdict, judged, case: this.at("case", b) ?? "", status: status_a === status_b ? status_b : `${status_a} → ${status_b}` };
  }

  list() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = this.pairs.filter((each) =>
      words.every((word) => each.case.toLowerCase().includes(word)) &&
      (!this.verdict.value || each.verdict === this.verdict.value) &&
      (!this.kernel.value || this.at("kernel", each.b) === this.kernel.value));
    document.querySelector("#compare-count").textContent =
      `${rows.length.toLocaleString("en-US")} of ${this.pairs.length.toLocaleString("en-US")} cases${rows.length > ROWS ? `; the first ${ROWS} are shown` : ""}`;
    const figure = (name, kind) => (side) => (each) => display(this.at(name, each[side]), kind);
    const [time, sqnr] = [figure("time_s", "seconds"), figure("sqnr_db", "decibel")];
    fillTable(document.querySelector("#compare-table"), "Cases of both runs, regressions first", [
      { title: "Case", text: (each) => each.case, link: (each) => caseAddress(each.id, this.b.value) },
      { title: "Verdict", text: (each) => `${LOOKS[each.verdict][2]} ${each.verdict}` },
      { title: "Time A", number: true, text: time("a") },
      { title: "Time B", number: true, text: time("b") },
      { title: "Change", number: true, text: ({ ratio }) => (ratio === null ? MISSING : percent(ratio)) },
      { title: "95 % interval", number: true, text: ({ judged }) => (judged && judged[1] !== null ? `${percent(judged[1])} … ${percent(judged[2])}` : MISSING) },
      { title: "SQNR A", number: true, text: sqnr("a") },
      { title: "SQNR B", number: true, text: sqnr("b") },
      { title: "Accuracy", text: ({ judged }) => judged?.[5]?.replaceAll("_", " ") ?? MISSING },
      { title: "Status", text: ({ status }) => status ?? MISSING },
    ], rows.slice(0, ROWS));
  }

  draw() {
    const plot = document.querySelector("#compare-plot");
    const timed = this.pairs.filter(({ ratio }) => ratio !== null);
    document.querySelector("#compare-absent").hidden = this.pairs.length > 0;
    plot.hidden = !timed.length;
    if (!timed.length) return;
    const traces = VERDICTS.filter((name) => timed.some(({ verdict }) => verdict === name)).map((name) => {
      const own = timed.filter(({ verdict }) => verdict === name);
      const [color, symbol, glyph] = LOOKS[name];
      return {
        type: "scatter", mode: "markers", name, x: own.map(({ a }) => this.at("time_s", a) * 1e6), y: own.map(({ ratio }) => ratio),
        customdata: own.map((each) => [escaped(each.case), "", "", "", "", "", "", escaped(each.id), percent(each.ratio)]),
        hovertemplate: "<b>%{customdata[0]}</b><br>A %{x:.4g} µs<br>B over A %{customdata[8]}<extra></extra>",
        marker: { color, symbol, size: name === "same" ? 6 : 9, opacity: 0.85, line: { width: 1, color: "#808080" } }, meta: { glyph },
      };
    });
    const line = (y, dash) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, layer: "below", line: { color: "#808080", width: 1, dash } });
    globalThis.Plotly.react(plot, traces, {
      template: theme(), width: plot.clientWidth, height: 440, margin: { t: 20, r: 24, l: 70, b: 54 }, showlegend: false, hovermode: "closest",
      dragmode: touch.matches ? false : "zoom", shapes: [line(1, "solid"), line(0.98, "dot"), line(1.02, "dot")],
      xaxis: { title: { text: "Time of A (µs)" }, type: "log", dtick: 1, automargin: true },
      yaxis: { title: { text: "Time of B over A, lower is faster" }, automargin: true },
    }, CONFIG);
    legend({ plot, legend: document.querySelector(".legend") }, traces);
    if (this.clickable) return;
    this.clickable = true;
    plot.on("plotly_click", ({ points: [{ customdata }] }) => goTo(caseAddress(plain(customdata[CASE_ID]), this.b.value)));
  }
}

if (globalThis.harnessRecords && globalThis.harnessCompare) new ComparePage(globalThis.harnessRecords, globalThis.harnessCompare).start();
