// One case (case.html#id=…&run=…): every figure of its record, its timing samples, its other runs, how to run it again.
// globalThis.harnessCase: groups of columns, those in which cases of other calibrations agree, and by case and run the quantiles and rounds of the samples, and bins of errors.
// Text from the results reaches the document through textContent and Option only.
"use strict";

// A word of a shell command: quoted unless it is plain.
const quoted = (word) => (/^[\w.\/=:+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

class CasePage {
  constructor(records, { groups, alike, samples, errors }) {
    this.columns = new Map(records.columns.map((data) => [data.name, new Column(data, records.count)]));
    this.count = records.count;
    Object.assign(this, { groups, alike, samples, errors });
    this.runs = document.querySelector("#case-run");
  }

  start() {
    addEventListener("hashchange", () => this.read());
    this.runs.addEventListener("change", () => goTo(caseAddress(this.id, this.runs.value)));
    dark.addEventListener("change", () => this.read());
    this.read();
  }

  at(name, row) {
    return this.columns.get(name)?.at(row) ?? null;
  }

  read() {
    const wanted = new URLSearchParams(chosenInAddress());
    this.id = wanted.get("id") ?? "";
    this.rows = [];
    for (let row = 0; row < this.count; row++) if (this.at("case_id", row) === this.id) this.rows.push(row);
    // Run ids begin with their time.
    this.rows.sort((a, b) => order(this.at("run_id", b) ?? "", this.at("run_id", a) ?? ""));
    document.querySelector("#case-missing").hidden = this.rows.length > 0;
    document.querySelector("#case").hidden = !this.rows.length;
    if (!this.rows.length) return;
    this.runs.replaceChildren(...this.rows.map((row) => new Option(this.at("run_id", row))));
    const run = wanted.get("run");
    const row = this.rows.find((each) => this.at("run_id", each) === run) ?? this.rows[0];
    this.runs.value = this.at("run_id", row);
    this.runs.closest("form").hidden = this.rows.length < 2;
    this.show(row);
  }

  show(row) {
    document.querySelector("#case-name").textContent = this.at("case", row);
    const status = [this.at("status", row), this.at("reason", row)].filter(Boolean).join(": ");
    document.querySelector("#case-status").textContent = status;
    document.querySelector("#case-command").textContent =
      `harness run ${quoted(`suites/${this.at("suite", row)}.yaml`)} --filter ${quoted(`case_id=${this.id}`)}`;
    this.headline(row);
    document.querySelector("#case-bound").textContent = boundWords((name, other) => this.at(name, other), row);
    showCalibrations(this, row);
    document.querySelector("#case-figures").replaceChildren(...this.groups.map(([title, names]) => this.group(title, names, row)).filter(Boolean));
    this.otherRuns(row);
    this.distribution(row);
    this.histogram(row);
  }

  headline(row) {
    const facts = ["sqnr_db", "time_s", "speedup", "fraction_of_peak", "bound", "bits_per_element"]
      .filter((name) => this.at(name, row) !== null)
      .map((name) => element("div", {}, element("dt", { textContent: this.columns.get(name).label }), element("dd", { textContent: this.columns.get(name).text(row) })));
    document.querySelector("#case-headline").replaceChildren(...facts);
  }

  group(title, names, row) {
    const known = names.map((name) => this.columns.get(name)).filter((column) => column && column.at(row) !== null);
    if (!known.length) return null;
    const facts = known.map((column) => element("div", {}, element("dt", { textContent: column.label }), element("dd", { textContent: column.text(row) })));
    return element("section", { className: "card" }, element("h2", { textContent: title }), element("dl", {}, ...facts));
  }

  otherRuns(shown) {
    const names = ["run_id", "device_label", "status", "time_s", "speedup", "sqnr_db", "git_commit"].filter((name) => this.columns.has(name));
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: this.columns.get(name).label })));
    const lines = this.rows.map((row) => element("tr", {}, ...names.map((name) => {
      const column = this.columns.get(name);
      const cell = element(name === "run_id" ? "th" : "td", { className: column.numeric ? "number" : "" });
      if (name === "run_id" && row !== shown) cell.append(element("a", { href: caseAddress(this.id, column.at(row)), textContent: column.text(row) }));
      else cell.textContent = column.text(row);
      return cell;
    })));
    const table = document.querySelector("#case-runs");
    table.replaceChildren(element("caption", { className: "hidden", textContent: "Runs of this case, newest first" }), element("thead", {}, head), element("tbody", {}, ...lines));
  }

  distribution(row) {
    const found = this.samples[this.id]?.[this.at("run_id", row)];
    document.querySelector("#case-samples").hidden = !found;
    if (!found) return;
    const [quantiles, rounds] = found;
    const counted = (count, name) => `${display(count, "integer")} ${name}${count === 1 ? "" : "s"}`;
    document.querySelector("#case-samples-note").textContent =
      `${counted(this.at("samples", row), "sample")} in ${counted(rounds.length, "round")}, whose medians are in order.`;
    const spread = quantiles[0] !== quantiles.at(-1);
    document.querySelector("#case-samples .pair").hidden = !spread;
    if (!spread) return;
    const micro = (values) => values.map((value) => value * 1e6);
    const share = quantiles.map((_, i) => (100 * i) / (quantiles.length - 1));
    const line = (trace) => ({ type: "scatter", line: { color: accent(), width: 2 }, marker: { color: accent(), size: 6 }, ...trace });
    small("#case-distribution", line({ mode: "lines", x: micro(quantiles), y: share, hovertemplate: "%{y:.0f} % take at most %{x:.4g} µs<extra></extra>" }),
      "Time per call (µs)", "Share of samples at most (%)");
    small("#case-rounds", line({ mode: "lines+markers", x: rounds.map((_, i) => i + 1), y: micro(rounds), hovertemplate: "round %{x}: %{y:.4g} µs<extra></extra>" }),
      "Round", "Median of the round (µs)");
  }

  // Bins are quarters of the root mean square error, the middle one (20) around no error, the outermost ones open.
  histogram(row) {
    const found = this.errors[this.id]?.[this.at("run_id", row)];
    document.querySelector("#case-errors").hidden = !found;
    if (!found) return;
    const [first, count, ...shares] = found;
    const mse = this.at("mse", row);
    const unit = mse === null ? "" : ` of ${significant(Math.sqrt(mse), 3)}`;
    document.querySelector("#case-errors-note").textContent =
      `How ${display(count, "integer")} errors (result less unquantized result) are spread; the outermost bins hold all that is further out.`;
    const x = shares.map((_, i) => (first + i - 20) / 4);
    const trace = { type: "bar", x, y: shares.map((share) => share / 100), width: 0.25, marker: { color: accent(), line: { width: 0 } },
      hovertemplate: "around %{x:.2f} root mean squares: %{y:.3g} % of errors<extra></extra>" };
    small("#case-histogram", trace, `Error in root mean squares${unit}`, "Share of errors (%)", { range: [-5.2, 5.2] });
  }
}

const accent = () => getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();

// A small figure of one trace.
function small(id, trace, x, y, settings = {}) {
  const layout = { height: 320, margin: { t: 16, r: 20, l: 64, b: 54 }, showlegend: false, template: theme(), bargap: 0.08,
    dragmode: touch.matches ? false : "zoom",
    xaxis: { title: { text: x }, automargin: true, ...settings }, yaxis: { title: { text: y }, automargin: true } };
  globalThis.Plotly.react(document.querySelector(id), [trace], layout, { ...CONFIG, responsive: true });
}

new CasePage(globalThis.harnessRecords, globalThis.harnessCase).start();
