// Fills the sections; those without data go.
const section = (name) => document.getElementById(name);
const note = (text) => el("p", { class: "note" }, text);

function selector(text, entries, change) {
  const options = entries.map(([value, label]) => el("option", { value }, label));
  const select = el("select", { change: () => change(select.value) }, ...options);
  return el("label", {}, `${text} `, select);
}

function showRanking() {
  section("ranking").append(makeTable(data.tables.summary, { swatches: true, wide: true }).box, note(data.notes.summary));
}

function showCurves() {
  const plots = el("div", { class: "plots" });
  const draw = (group) => {
    plots.replaceChildren(...data.plots.map((plot) => curveFigure(plot, group)));
    showChoice();
  };
  const groups = Object.keys(data.plots[0].groups).map((key) => [key, data.groups[key]]);
  if (groups.length > 1) section("curves").append(el("div", { class: "controls" }, selector("over", groups, draw)));
  section("curves").append(plots);
  draw("all");
}

function showLongTerm() {
  if (!data.tables.long_term) return section("long-term").remove();
  section("long-term").append(makeTable(data.tables.long_term, { swatches: true, wide: true }).box, note(data.notes.long_term));
  return null;
}

function showAttributes() {
  if (!data.radar) return section("attributes").remove();
  const table = makeTable(data.tables.attributes, { wide: true, shade: true, noStd: true, dense: true }).box;
  const parts = data.radar.names.length > 2 ? [radarFigure(data.radar), table] : [table];
  const beside = parts.length > 1 && data.trackers.length <= 6; // a wider table gets the whole width
  section("attributes").append(el("div", { class: beside ? "two" : "stacked" }, ...parts), note(data.notes.attributes));
  return null;
}

function showComparison() {
  if (!data.comparison) return section("comparison").remove();
  const plot = el("div", {});
  const draw = (reference) => plot.replaceChildren(forestFigure(data.comparison[Number(reference)]));
  const entries = data.trackers.map((tracker, index) => [index, tracker.name]);
  section("comparison").append(
    el("div", { class: "controls" }, selector("difference of AUC to", entries, draw)),
    plot, makeTable(data.tables.comparison, { wide: true }).box, note(data.notes.comparison),
  );
  draw(0);
  return null;
}

function showSequences() {
  const place = el("div", {});
  let table = null;
  const filter = el("input", { type: "search", placeholder: "filter by name", "aria-label": "filter by name" });
  const draw = (metric) => {
    table = makeTable(data.tables.sequences[metric], { shade: true });
    table.filter(filter.value);
    place.replaceChildren(table.box);
  };
  filter.addEventListener("input", () => table.filter(filter.value));
  const metrics = Object.keys(data.tables.sequences).map((key) => [key, data.metrics[key]]);
  section("sequences").append(el("div", { class: "controls" }, selector("score", metrics, draw), filter), place);
  draw(metrics[0][0]);
}

function showStrips() {
  if (!data.strips.length && !data.strip_problems.length) return section("strips").remove();
  section("strips").append(note(data.notes.strips), ...data.strips.map(stripNode));
  if (data.strip_problems.length) section("strips").append(note(`Not shown: ${data.strip_problems.join("; ")}`));
  return null;
}

function showRules() {
  section("rules").append(el("ul", { class: "rules" }, ...data.rules.map((rule) => el("li", {}, rule))));
}

function showProvenance() {
  const { runs, differences } = data.tables;
  section("provenance").append(makeTable(runs, { swatches: true, wide: true, wrap: true }).box);
  if (data.common) section("provenance").append(note(`The same for all: ${data.common}`));
  if (!differences.rows.length) return;
  const count = `${differences.title} (${differences.rows.length})`;
  const table = makeTable(differences, { wrap: true }).box;
  section("provenance").append(el("details", {}, el("summary", {}, count), table));
}

section("notices").append(...data.notices.map((text) => el("p", { class: "notice" }, text)));
document.getElementById("trackers").append(
  ...data.trackers.map((tracker, index) => trackerButton(index, { class: "chip" }, tracker.name)),
);
for (const show of [showRanking, showCurves, showLongTerm, showAttributes, showComparison, showSequences, showStrips, showRules, showProvenance]) show();
document.getElementById("contents").append(
  ...Array.from(document.querySelectorAll("section"), (part) => el("a", { href: `#${part.id}` }, part.querySelector("h2").textContent)),
);
showChoice();
document.documentElement.dataset.ready = "true";
