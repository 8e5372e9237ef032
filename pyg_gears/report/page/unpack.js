// Packed arrays and names (packed_values.py): base64, deflated, quantised.

async function unpackBytes(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

async function unpackNames(text) {
  return JSON.parse(new TextDecoder().decode(await unpackBytes(text)));
}

async function unpackCodes(column) {
  const bytes = await unpackBytes(column.data);
  // Sixteen bits are little-endian in the file, whatever the machine.
  if (column.bits === 8) return new Uint8Array(bytes);
  const view = new DataView(bytes);
  return Uint16Array.from({ length: bytes.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
}

// Numbers; NaN where there is no value.
async function unpackNumbers(column) {
  const codes = await unpackCodes(column);
  const missing = 2 ** column.bits - 1;
  const step = (column.high / 2 - column.low / 2) / column.steps;
  return Float64Array.from(codes, (c) => (c === missing ? NaN : 2 * (column.low / 2 + c * step)));
}
