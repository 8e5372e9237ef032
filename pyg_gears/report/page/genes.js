// Search of a gene by name: small letters will do, and a part of the name where only one gene has it.

const OFFERED = 20; // genes offered while a name is typed

async function searchGenes(explorer) {
  const { names, others } = explorer.data.genes;
  const field = byId("gene");
  if (!names.length) {
    field.parentElement.remove();
    return;
  }
  const lower = names.map((name) => name.toLowerCase());
  const elsewhere = new Set((await unpackNames(others)).map((name) => name.toLowerCase()));

  // Genes that begin with the text come first.
  const matches = (text) => {
    const [first, later] = [[], []];
    lower.forEach((name, k) => {
      if (name.startsWith(text)) first.push(names[k]);
      else if (name.includes(text)) later.push(names[k]);
    });
    return [...first, ...later];
  };
  const choose = (gene) => {
    field.value = gene;
    say("");
    byId("column").value = "gene";
    if (explorer.colour.gene !== gene) recolour(explorer, "gene", gene);
  };
  const search = () => {
    const typed = field.value.trim();
    const text = typed.toLowerCase();
    if (!text) return;
    const found = matches(text);
    if (names.includes(typed)) choose(typed);
    else if (lower.includes(text)) choose(names[lower.indexOf(text)]);
    else if (found.length === 1) choose(found[0]);
    else if (elsewhere.has(text)) say(`${typed} is in the file, but not on this page: make the page again with --gene.`);
    else if (found.length) say(`${found.length} genes contain "${typed}": ${found.slice(0, OFFERED).join(", ")}${found.length > OFFERED ? ", ..." : ""}`);
    else say(`No gene named ${typed}.`);
  };
  field.addEventListener("input", () => {
    const typed = field.value.trim();
    const offered = typed ? matches(typed.toLowerCase()).slice(0, OFFERED) : [];
    byId("gene-names").replaceChildren(...offered.map((name) => element("option", "", { value: name })));
    if (names.includes(typed)) choose(typed); // also what picking an offered name does
  });
  field.addEventListener("change", search);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") search();
  });
}
