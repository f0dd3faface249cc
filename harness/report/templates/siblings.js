// What a case's page says beside its own figures: what bounds it, and the cases that differ from it in calibration alone.
// Text from the results reaches the document through textContent only.
"use strict";

const CALIBRATIONS = ["weight_calibration", "activation_calibration", "calibration"];

// "Bound by memory: 94 % of the measured peak, so at best 1.06 times as fast."
function boundWords(at, row) {
  const [bound, share] = [at("bound", row), at("fraction_of_peak", row)];
  if (!bound || !share) return "";
  const what = { memory: "memory", compute: "arithmetic" }[bound] ?? bound;
  const limit = share < 1 ? `: without that limit's gap it would be ${significant(1 / share, 3)} times as fast` : "";
  return `Bound by ${what}, at ${significant(100 * share, 3)} % of the peak that was measured on this device${limit}.`;
}

// The newest record of each calibration, most accurate first; the case itself among them.
// `alike`: columns in which they agree.
function calibrationsOf(at, alike, count, row) {
  const own = alike.map((name) => at(name, row));
  const newest = new Map();
  for (let other = 0; other < count; other++) {
    if (at("status", other) !== "ok" || at("sqnr_db", other) === null || alike.some((name, i) => at(name, other) !== own[i])) continue;
    const words = CALIBRATIONS.map((name) => at(name, other)).filter(Boolean).join(" × ");
    const kept = newest.get(words);
    if (!words) continue;
    if (kept === undefined || other === row || (kept !== row && order(at("run_id", other) ?? "", at("run_id", kept) ?? "") > 0)) newest.set(words, other);
  }
  return [...newest].sort(([, a], [, b]) => at("sqnr_db", b) - at("sqnr_db", a));
}

function showCalibrations(page, row) {
  const at = (name, other) => page.at(name, other);
  const found = calibrationsOf(at, page.alike, page.count, row);
  document.querySelector("#case-calibrations").hidden = found.length < 2;
  if (found.length < 2) return;
  const finite = found.map(([, other]) => at("sqnr_db", other)).filter(Number.isFinite);
  const spread = finite.length > 1 ? finite[0] - finite.at(-1) : 0;
  document.querySelector("#calibrations-words").textContent =
    `${found.length} calibrations of the same layer and scheme; from the best to the worst ${spread.toFixed(1)} dB.`;
  const own = at("sqnr_db", row);
  fillTable(document.querySelector("#calibrations-table"), "The same case by calibration, most accurate first", [
    { title: "Calibration", text: ([words, other]) => (other === row ? `${words} (this case)` : words), link: ([, other]) => caseAddress(at("case_id", other), at("run_id", other) ?? "") },
    { title: "SQNR", number: true, text: ([, other]) => display(at("sqnr_db", other), "decibel") },
    { title: "Against this case", number: true, text: ([, other]) => (other === row ? MISSING : `${at("sqnr_db", other) >= own ? "+" : "−"}${Math.abs(at("sqnr_db", other) - own).toFixed(1)} dB`) },
    { title: "Worst block", number: true, text: ([, other]) => display(at("worst_block_sqnr_db", other), "decibel") },
    { title: "Saturated", number: true, text: ([, other]) => display(at("saturated_fraction", other), "fraction") },
    { title: "Time", number: true, text: ([, other]) => display(at("time_s", other), "seconds") },
  ], found);
}
