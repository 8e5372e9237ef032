// Colours that common kinds of colour vision tell apart, and the sorting of cells into them.

const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442"]; // Okabe and Ito
const OTHER = "#8c8c8c"; // categories beyond the palette
const MISSING = "#c9c9c9"; // no value
const DIM = "#d6d6d6"; // greyed out, or not selected
const RAMPS = {
  viridis: ["#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"],
  cividis: ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"],
};
const STEPS = 24; // colours of a ramp: each is one draw call, which is several times faster than a colour per cell

function rampColour(name, share) {
  const stops = RAMPS[name];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const first = Math.min(Math.floor(place), stops.length - 2);
  const channel = (colour, k) => parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mixed = [0, 1, 2].map((k) => {
    const a = channel(stops[first], k);
    return Math.round(a + (channel(stops[first + 1], k) - a) * (place - first));
  });
  return `rgb(${mixed.join(",")})`;
}

// Smallest and largest colour: the 1st and 99th percentile of (at most 20,000 of) the values.
function percentileLimits(values) {
  const stride = Math.ceil(values.length / 20000);
  const known = values.filter((v, i) => i % stride === 0 && !Number.isNaN(v)).sort();
  if (!known.length) return [0, 1];
  let [low, high] = [known[Math.floor(0.01 * (known.length - 1))], known[Math.ceil(0.99 * (known.length - 1))]];
  if (!(high > low)) [low, high] = [known[0], known[known.length - 1]];
  return high > low ? [low, high] : [low, low + 1];
}

// A shade: for every cell the number of its group, in drawing order, and the colour of each group.
function shadeNumbers(values, ramp, limits) {
  const [low, high] = limits;
  const groups = Uint16Array.from(values, (v) =>
    Number.isNaN(v) ? 0 : 1 + Math.min(Math.max(Math.floor(((v - low) / (high - low)) * STEPS), 0), STEPS - 1));
  const colours = [MISSING];
  for (let k = 0; k < STEPS; k++) colours.push(rampColour(ramp, k / (STEPS - 1)));
  return { groups, colours };
}

// Categories: the most frequent in colour, on top; the rest in one grey.
function shadeCategories(codes, count) {
  const shown = Math.min(count, PALETTE.length);
  const groups = Uint16Array.from(codes, (c) => (c >= count ? 0 : c >= shown ? 1 : 1 + shown - c));
  return { groups, colours: [MISSING, OTHER, ...PALETTE.slice(0, shown).reverse()] };
}

function categoryColour(code) {
  return code < PALETTE.length ? PALETTE[code] : OTHER;
}

// Cells by group, dimmed ones first: [{ colour, cells }].
function sortIntoGroups(shade, lit) {
  const size = new Uint32Array(shade.colours.length + 1);
  const group = (i) => (lit[i] ? 1 + shade.groups[i] : 0);
  for (let i = 0; i < lit.length; i++) size[group(i)]++;
  const cells = Array.from(size, (n) => new Uint32Array(n));
  const next = new Uint32Array(size.length);
  for (let i = 0; i < lit.length; i++) {
    const g = group(i);
    cells[g][next[g]++] = i;
  }
  return cells.map((members, g) => ({ colour: g ? shade.colours[g - 1] : DIM, cells: members })).filter((g) => g.cells.length);
}
