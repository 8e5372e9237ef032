// One scatter: draws groups of cells, and reports the cell under the pointer and the cells that were drawn around.

class Panel {
  constructor(parent, title, x, y) {
    [this.x, this.y] = [x, y];
    this.groups = [];
    const figure = document.createElement("figure");
    figure.className = "panel";
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    this.plot = document.createElement("div");
    this.plot.className = "plot";
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "application");
    this.plot.setAttribute("aria-label", `${title}. Arrow keys move, plus and minus zoom, 0 resets.`);
    const stage = document.createElement("div");
    stage.className = "stage";
    stage.append(this.plot);
    this.outline = new Outline(stage, (corners, more) => this.listeners.onSelection(this.inside(corners), more));
    figure.append(caption, stage);
    parent.append(figure);
    this.tool = "pan";
  }

  // Draw; `listeners` are called with a cell (hover), or with cells and whether they add to the selection.
  async draw(groups, listeners) {
    Object.assign(this, { groups, listeners });
    const { width, height } = this.plot.getBoundingClientRect();
    const size = Math.min(Math.max(0.75 * Math.sqrt((width * height) / this.x.length), 2), 11);
    const type = hasWebGL() ? "scattergl" : "scatter";
    const traces = groups.map(({ colour, cells }) => ({
      type, mode: "markers", hoverinfo: "none",
      x: Float32Array.from(cells, (i) => this.x[i]), y: Float32Array.from(cells, (i) => this.y[i]),
      marker: { color: colour, size, line: { width: 0 } },
    }));
    const axis = { visible: false, autorange: true };
    const layout = {
      dragmode: this.tool === "zoom" ? "zoom" : "pan", hovermode: "closest", showlegend: false, uirevision: "kept",
      margin: { l: 4, r: 4, t: 4, b: 4 }, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
      xaxis: axis, yaxis: { ...axis, scaleanchor: "x" },
    };
    const config = { displayModeBar: false, scrollZoom: false, doubleClick: "reset", responsive: true };
    await Plotly.react(this.plot, traces, layout, config);
    if (!this.listens) this.listen();
  }

  listen() {
    this.listens = true;
    const show = ({ points }) => this.listeners.onCell(this.groups[points[0].curveNumber].cells[points[0].pointIndex]);
    this.plot.on("plotly_hover", show);
    this.plot.on("plotly_click", show);
    this.plot.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
      if (moves[event.key]) this.look(1, ...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.look(0.8, 0, 0);
      else if (event.key === "-") this.look(1.25, 0, 0);
      else if (event.key === "0") this.reset();
      else return;
      event.preventDefault();
    });
  }

  // Scale the window by `factor` and move it by shares of its size.
  look(factor, right, up) {
    const change = {};
    for (const [name, share] of [["xaxis", right], ["yaxis", up]]) {
      const [a, b] = this.plot._fullLayout[name].range;
      const [middle, half] = [(a + b) / 2 + share * (b - a), (factor * (b - a)) / 2];
      change[`${name}.range`] = [middle - half, middle + half];
    }
    return Plotly.relayout(this.plot, change);
  }

  reset() {
    return Plotly.relayout(this.plot, { "xaxis.autorange": true, "yaxis.autorange": true });
  }

  // Cells inside a polygon given in pixels of the plot.
  inside(corners) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    const test = insidePolygon(corners.map(([x, y]) => [xaxis.p2d(x - xaxis._offset), yaxis.p2d(y - yaxis._offset)]));
    const found = [];
    for (let i = 0; i < this.x.length; i++) if (test(this.x[i], this.y[i])) found.push(i);
    return found;
  }

  use(tool) {
    this.tool = tool;
    this.outline.use(tool);
    // Lasso and box are drawn on the sheet above.
    return Plotly.relayout(this.plot, { dragmode: tool === "zoom" ? "zoom" : "pan" });
  }
}

let webGL;
function hasWebGL() {
  if (webGL === undefined) webGL = Boolean(document.createElement("canvas").getContext("webgl"));
  return webGL;
}
