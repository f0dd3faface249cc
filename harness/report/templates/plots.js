// Draws the figures of a page (globalThis.harnessFigures).
// Text from the results reaches the document through textContent and Option only, and Plotly already escaped.
"use strict";

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
  const traces = narrowed(panel, drawing.data).map((trace) => ({ ...trace }));
  globalThis.Plotly.react(panel.plot, traces, layout, CONFIG);
  legend(panel, traces);
  if (panel.clickable) return;
  panel.clickable = true;
  // A point of a single case leads to that case's page; one of several cases has no id.
  panel.plot.on("plotly_click", ({ points: [{ customdata }] }) => {
    if (Array.isArray(customdata) && customdata[CASE_ID]) goTo(caseAddress(plain(customdata[CASE_ID])));
  });
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

// The address carries what is chosen (#op=gemm&device_label=…), so that it can be linked to; the links between pages take it along.
function rememberChoices(selects) {
  const chosen = new URLSearchParams(selects.filter(({ value }) => value).map((select) => [select.dataset.choice ?? select.dataset.own, select.value]));
  for (const select of document.querySelectorAll("[data-narrow]")) if (select.value) chosen.set(select.dataset.narrow, select.value);
  remember(chosen.toString());
  const shared = new URLSearchParams([...chosen].filter(([name]) => selects.some(({ dataset }) => dataset.choice === name)));
  for (const link of document.querySelectorAll("header nav a, #pages .links a")) link.setAttribute("href", `${link.getAttribute("href").split("#")[0]}#${shared}`);
}

function recallChoices(selects) {
  const wanted = new URLSearchParams(chosenInAddress());
  for (const select of selects) {
    const value = wanted.get(select.dataset.choice);
    if ([...select.options].some((option) => option.value === value)) select.value = value;
  }
}

function startFigures(figures) {
  const selects = [...document.querySelectorAll("#choices select")];
  const panels = [...document.querySelectorAll("[data-figure]")].map((plot) => {
    const card = plot.closest("section");
    const [legend, message, notes] = [".legend", ".absent", ".notes"].map((name) => card.querySelector(name));
    const narrow = [...card.querySelectorAll("[data-narrow]")];
    return { plot, legend, message, notes, narrow, own: card.querySelector("[data-own]"), figure: figures[plot.dataset.figure], near: false };
  });
  const update = (panel) => {
    if (!panel.near) return;
    panel.drawing = choose(panel, Object.fromEntries(selects.map((select) => [select.dataset.choice, select.value])));
    fillNarrow(panel);
    render(panel);
  };
  const owns = panels.map(({ own }) => own).filter(Boolean);
  const note = () => { rememberChoices([...selects, ...owns]); follow(selects); };
  const updateAll = () => { panels.forEach(update); note(); };
  recallChoices(selects);
  const inAddress = new URLSearchParams(chosenInAddress());
  for (const select of panels.flatMap(({ narrow }) => narrow)) select.dataset.wanted = inAddress.get(select.dataset.narrow) ?? "";
  const wantedShape = new URLSearchParams(chosenInAddress()).get("shape_label");
  // Figures are drawn as they come near the viewport: a long page opens as fast as a short one.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter(({ isIntersecting }) => isIntersecting)) {
      seen.unobserve(entry.target);
      const panel = panels.find(({ plot }) => plot === entry.target);
      panel.near = true;
      update(panel);
      if (panel.own && wantedShape && [...panel.own.options].some(({ value }) => value === wantedShape)) {
        panel.own.value = wantedShape;
        update(panel);
      }
    }
    note();
  }, { rootMargin: "600px" });
  for (const panel of panels) {
    seen.observe(panel.plot);
    panel.own?.addEventListener("change", () => { update(panel); note(); });
    for (const select of panel.narrow) select.addEventListener("change", () => { render(panel); note(); });
  }
  for (const select of selects) select.addEventListener("change", updateAll);
  addEventListener("hashchange", () => { recallChoices(selects); updateAll(); });
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

if (globalThis.harnessFigures) startFigures(globalThis.harnessFigures);
