// Drawing around cells with pointer, pen or finger, on a sheet over a scatter; the scatter itself is not asked to redraw.

const SVG = "http://www.w3.org/2000/svg"; // a name; nothing is loaded from there
const LEAST = 4; // pixels: less is a click

class Outline {
  constructor(stage, onDone) {
    this.onDone = onDone;
    this.sheet = document.createElementNS(SVG, "svg");
    this.sheet.setAttribute("class", "sheet");
    this.sheet.setAttribute("aria-hidden", "true");
    this.line = document.createElementNS(SVG, "path");
    this.sheet.append(this.line);
    stage.append(this.sheet);
    this.use("pan");
    this.sheet.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button) return;
      this.sheet.setPointerCapture(event.pointerId);
      this.points = [this.place(event)];
    });
    this.sheet.addEventListener("pointermove", (event) => {
      if (!this.points || !event.isPrimary) return;
      if (this.tool === "lasso") this.points.push(this.place(event));
      else this.points = [this.points[0], this.place(event)];
      this.line.setAttribute("d", `M${this.corners().map((p) => p.join(",")).join("L")}Z`);
    });
    this.sheet.addEventListener("pointerup", (event) => this.finish(event.shiftKey));
    this.sheet.addEventListener("pointercancel", () => this.drop());
  }

  use(tool) {
    this.tool = tool;
    this.sheet.style.display = tool === "lasso" || tool === "select" ? "block" : "none";
    this.drop();
  }

  place(event) {
    const { left, top } = this.sheet.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  corners() {
    if (this.tool === "lasso") return this.points;
    const [[a, b], [c, d]] = [this.points[0], this.points[this.points.length - 1]];
    return [[a, b], [c, b], [c, d], [a, d]];
  }

  finish(more) {
    if (!this.points) return;
    const corners = this.corners();
    const size = Math.max(...[0, 1].map((k) => spread(corners.map((p) => p[k]))));
    this.drop();
    if (size >= LEAST) this.onDone(corners, more);
  }

  drop() {
    this.points = null;
    this.line.setAttribute("d", "");
  }
}

function spread(values) {
  return Math.max(...values) - Math.min(...values);
}

// Whether a point lies inside a polygon, by the even-odd rule.
function insidePolygon(corners) {
  const [low, high] = [Math.min, Math.max].map((end) => [0, 1].map((k) => end(...corners.map((p) => p[k]))));
  return (x, y) => {
    if (x < low[0] || x > high[0] || y < low[1] || y > high[1]) return false;
    let inside = false;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
      const [[a, b], [c, d]] = [corners[i], corners[j]];
      if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) inside = !inside;
    }
    return inside;
  };
}
