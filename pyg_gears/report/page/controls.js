// The controls around the scatter.

const LISTED = 5000; // names in the field; copying and the CSV take all
const byId = (name) => document.getElementById(name);

async function startExplorer(data) {
  const explorer = await Explorer.read(data);
  explorer.build(byId("panels"), { onCell: (i) => readOut(explorer, i), onSelected: () => listSelected(explorer) });
  if (!hasWebGL()) say("This browser has no WebGL: drawing is slow with many cells.");
  fillColumns(explorer);
  await searchGenes(explorer);
  slide(explorer);
  tools(explorer);
  selection(explorer);
  listSelected(explorer);
  await recolour(explorer, "confidence");
}

async function recolour(explorer, kind, key) {
  if (!(await explorer.colourBy(kind, key))) return;
  legend(explorer);
  await explorer.draw();
}

function say(text) {
  byId("status").textContent = text;
}

function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function fillColumns(explorer) {
  const choice = byId("column");
  choice.append(element("option", "confidence", { value: "confidence" }));
  explorer.data.columns.forEach(({ name }, k) => choice.append(element("option", name, { value: String(k) })));
  const gene = element("option", "a gene (type its name)", { value: "gene" });
  choice.append(gene);
  choice.addEventListener("change", () => {
    say("");
    if (choice.value === "gene") return byId("gene").focus();
    byId("gene").value = "";
    recolour(explorer, ...(choice.value === "confidence" ? ["confidence"] : ["column", Number(choice.value)]));
  });
}

function slide(explorer) {
  const slider = byId("threshold");
  slider.addEventListener("input", () => {
    explorer.threshold = Number(slider.value);
    const kept = explorer.names.reduce((n, _, i) => n + explorer.kept(i), 0);
    byId("threshold-value").textContent = `${explorer.threshold.toFixed(2)}: ${kept.toLocaleString("en")} of ${explorer.names.length.toLocaleString("en")} cells kept`;
    listSelected(explorer);
    explorer.draw();
  });
}

function tools(explorer) {
  const buttons = document.querySelectorAll("[data-tool]");
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      for (const panel of explorer.panels) panel.use(button.dataset.tool);
    });
  }
  byId("zoom-in").addEventListener("click", () => explorer.panels.forEach((p) => p.look(0.7, 0, 0)));
  byId("zoom-out").addEventListener("click", () => explorer.panels.forEach((p) => p.look(1 / 0.7, 0, 0)));
  byId("reset").addEventListener("click", () => explorer.panels.forEach((p) => p.reset()));
}

function selection(explorer) {
  byId("select-kept").addEventListener("click", () => explorer.select(explorer.names.keys()));
  byId("clear").addEventListener("click", () => explorer.select([]));
  byId("copy-cells").addEventListener("click", (event) => copyText(explorer.selected().map((i) => explorer.names[i]).join("\n"), event.target));
  byId("download").addEventListener("click", () => downloadText("selected_cells.csv", explorer.csv()));
}

function listSelected(explorer) {
  const cells = explorer.selected();
  const none = cells.length === 0;
  byId("selected").textContent = none
    ? "None. Draw around cells with Lasso or Select box, or choose a category in the legend."
    : `${cells.length.toLocaleString("en")} cells${cells.length > LISTED ? `, the first ${LISTED.toLocaleString("en")} listed` : ""}.`;
  byId("names").value = cells.slice(0, LISTED).map((i) => explorer.names[i]).join("\n");
  for (const name of ["copy-cells", "download", "clear"]) byId(name).disabled = none;
  for (const button of document.querySelectorAll("#legend button")) button.setAttribute("aria-pressed", "false");
}

function readOut(explorer, i) {
  const value = explorer.colour.name === "confidence" ? "" : `; ${explorer.colour.name}: ${explorer.value(i) || "no value"}`;
  byId("readout").textContent = `${explorer.names[i]}: confidence ${explorer.confidence[i].toFixed(2)}${value}`;
}

function legend(explorer) {
  const { labels, codes, limits, ramp } = explorer.colour;
  if (!labels) {
    const bar = element("span", "", { className: "ramp" });
    bar.style.background = `linear-gradient(to right, ${RAMPS[ramp].join(",")})`;
    const [low, high] = limits.map(shortNumber);
    // Values beyond the percentiles take the end colours.
    const [first, last] = explorer.colour.name === "confidence" ? [low, high] : [`\u2264 ${low}`, `\u2265 ${high}`];
    byId("legend").replaceChildren(element("span", first), bar, element("span", last), element("span", explorer.colour.name));
    return;
  }
  const size = new Array(labels.length).fill(0);
  for (const code of codes) if (code < labels.length) size[code]++;
  byId("legend").replaceChildren(...labels.map((label, code) => {
    const button = element("button", "", { type: "button", title: "Select these cells" });
    const swatch = element("span", "", { className: "swatch" });
    swatch.style.background = categoryColour(code);
    button.append(swatch, element("span", `${label} (${size[code].toLocaleString("en")})`));
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", async () => {
      const pressed = button.getAttribute("aria-pressed") === "true";
      await explorer.select(pressed ? [] : explorer.where((i) => codes[i] === code));
      button.setAttribute("aria-pressed", String(!pressed));
    });
    return button;
  }));
}
