"""Gene sets of a file: programmes such as the markers of a zone or of a process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath


def read_gene_sets(path: FilePath) -> dict[str, tuple[str, ...]]:
    """Names and genes of the sets in a ``.gmt`` or ``.json`` file.

    GMT is one set a line, with tabs between name, description and genes (MSigDB's format). JSON is one object from names to
    lists of genes. A gene that is named twice in a set counts once.

    Args:
        path: The file, UTF-8, with or without a byte order mark.

    Returns:
        Name -> genes, in the file's order.

    Raises:
        InputError: for another suffix, a file that cannot be read or is not in its format, a name that repeats, or no set.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    expect(
        suffix in (".gmt", ".json"),
        f"expected gene sets in a .gmt or .json file, found {path.name}; convert it.",
    )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "nothing")
        raise InputError(f"expected gene sets at {path}, found {reason}; name a readable file.") from error
    found = _of_gmt(text, path.name) if suffix == ".gmt" else _of_json(text, path.name)
    expect(bool(found), f"{path.name}: expected at least one gene set, found none; write one.")
    for name, genes in found.items():
        expect(bool(genes), f"{path.name}: expected genes in the set {name!r}, found none; name some or leave it out.")
    return found


def _of_gmt(text: str, file: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")]
        found_here = "no name" if len(fields) >= 3 else f"{len(fields)} field(s)"
        expect(
            len(fields) >= 3 and bool(fields[0]),
            f"{file}: expected a name, a description and genes with tabs between them in line {number}, found "
            f"{found_here}; write one set a line.",
        )
        name = fields[0]
        expect(name not in found, f"{file}: expected a new name in line {number}, found {name!r} again; rename one.")
        found[name] = _once(fields[2:])
    return found


def _of_json(text: str, file: str) -> dict[str, tuple[str, ...]]:
    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        again = next((name for name in names if names.count(name) > 1), None)
        expect(again is None, f"{file}: expected names that differ, found {again!r} twice; rename one.")
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=object_of)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}: expected JSON, found an error at line {error.lineno}, column {error.colno}; mend it."
        ) from error
    expect(
        isinstance(content, dict),
        f"{file}: expected an object from names to lists of genes, found {type(content).__name__}; write one.",
    )
    for name, genes in content.items():
        expect(
            isinstance(genes, list) and all(isinstance(gene, str) for gene in genes),
            f"{file}: expected a list of names of genes for {name!r}, found another value; write a list of strings.",
        )
    return {name: _once(genes) for name, genes in content.items()}


def _once(genes: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(gene for gene in genes if gene))
