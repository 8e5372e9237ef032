// What is shown: colour, threshold and selection of the cells, the same in every panel.

class Explorer {
  static async read(data) {
    const [names, confidence, ...places] = await Promise.all([
      unpackNames(data.names), unpackNumbers(data.confidence),
      ...[data.layout, ...data.panels].flatMap((p) => [unpackNumbers(p.x), unpackNumbers(p.y)]),
    ]);
    return new Explorer(data, names, confidence, places);
  }

  constructor(data, names, confidence, places) {
    Object.assign(this, { data, names, confidence });
    [this.x, this.y, ...this.places] = places;
    this.threshold = 0;
    this.chosen = null; // one byte per cell, or null while nothing is selected
    this.panels = [];
    this.drawing = Promise.resolve();
    this.wanted = false;
  }

  build(parent, listeners) {
    this.listeners = { ...listeners, onSelection: (cells, more) => this.select(cells, more) };
    parent.classList.toggle("two", this.data.panels.length > 1);
    this.panels = this.data.panels.map(({ title }, k) => new Panel(parent, title, this.places[2 * k], this.places[2 * k + 1]));
  }

  // What cells can be coloured by: "confidence", a column by number, or a gene by name.
  async colourBy(kind, key) {
    const turn = (this.turn = (this.turn || 0) + 1); // a later choice wins, whatever is unpacked first
    const found = await this.readColour(kind, key);
    if (turn !== this.turn) return false;
    this.colour = found;
    return true;
  }

  async readColour(kind, key) {
    if (kind === "confidence") {
      return { name: "confidence", values: this.confidence, ramp: "cividis", limits: [0, 1], shade: shadeNumbers(this.confidence, "cividis", [0, 1]) };
    }
    if (kind === "gene") {
      const column = this.data.genes.values[this.data.genes.names.indexOf(key)];
      return { gene: key, ...this.numbers(`${key}, log1p of counts per 10,000`, await unpackNumbers(column)) };
    }
    const column = this.data.columns[key];
    if (column.kind === "number") return this.numbers(column.name, await unpackNumbers(column));
    const codes = await unpackCodes(column);
    return { name: column.name, codes, labels: column.labels, shade: shadeCategories(codes, column.labels.length) };
  }

  numbers(name, values) {
    const limits = percentileLimits(values);
    return { name, values, ramp: "viridis", limits, shade: shadeNumbers(values, "viridis", limits) };
  }

  kept(i) {
    return this.confidence[i] >= this.threshold || this.threshold === 0;
  }

  // Draws the latest state; while one drawing runs, at most one more waits.
  draw() {
    if (this.wanted) return this.drawing;
    this.wanted = true;
    this.drawing = this.drawing.then(async () => {
      await new Promise((done) => setTimeout(done));
      this.wanted = false;
      const lit = Uint8Array.from(this.names, (_, i) => this.kept(i) && (!this.chosen || this.chosen[i]));
      const groups = sortIntoGroups(this.colour.shade, lit);
      for (const panel of this.panels) await panel.draw(groups, this.listeners);
    });
    return this.drawing;
  }

  // Select these cells but for the greyed ones, with those selected before if `more`; without a cell, nothing is selected.
  select(cells, more = false) {
    const chosen = more && this.chosen ? this.chosen : new Uint8Array(this.names.length);
    for (const i of cells) if (this.kept(i)) chosen[i] = 1;
    this.chosen = chosen.includes(1) ? chosen : null;
    this.listeners.onSelected();
    return this.draw();
  }

  // Cells that pass a test.
  where(test) {
    return Array.from(this.names.keys()).filter(test);
  }

  selected() {
    const found = [];
    if (this.chosen) for (let i = 0; i < this.chosen.length; i++) if (this.chosen[i] && this.kept(i)) found.push(i);
    return found;
  }

  // The value that colours a cell, as text.
  value(i) {
    const { values, codes, labels } = this.colour;
    if (codes) return codes[i] < labels.length ? labels[codes[i]] : "";
    return Number.isNaN(values[i]) ? "" : shortNumber(values[i]);
  }

  csv() {
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const shown = this.colour.name === "confidence" ? [] : [this.colour.name];
    const head = ["cell", "x_gears", "y_gears", "gears_confidence", ...shown].map(quoted).join(",");
    const rows = this.selected().map((i) => [
      this.names[i], this.x[i].toFixed(4), this.y[i].toFixed(4), this.confidence[i].toFixed(3), ...(shown.length ? [this.value(i)] : []),
    ].map(quoted).join(","));
    return `${[head, ...rows].join("\n")}\n`;
  }
}

function shortNumber(value) {
  return String(Number(value.toPrecision(4)));
}
