"""How many genes files share, and by which naming they would share more."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

from pyg_gears.data.slide import Slide
from pyg_gears.errors import InputError, argument

MIN_SHARED = 10
"""Genes below which slides are not fitted together."""
FEW_SHARED = 200
SMALL_SHARE = 0.2
"""Shared genes, and their share of the smallest panel, below which a fit warns."""

ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?$", re.IGNORECASE)
VERSION = re.compile(r"(?<=\d)\.\d+$")
GENOME = re.compile(r"^(GRC[hm]\d+|hg\d+|mm\d+)_+", re.IGNORECASE)
MARKS = re.compile(r"[-_. ]+")


def check_overlap(files: Sequence[Slide], *, stacklevel: int = 2) -> None:
    """Warn when slides (and cells) share few genes, and refuse when they share hardly any.

    Warned of are fewer than 200 genes, and less than a fifth of the smallest panel. The message names a renaming that would
    make the files share more, where one does.

    Args:
        files: Slides, and cells if there are any.
        stacklevel: As in ``warnings.warn``; 2 is the caller.

    Raises:
        InputError: for fewer than 10 shared genes.
    """
    # Genes of a file occur once: Slide refuses repeated names.
    common = set(files[0].genes).intersection(*(file.genes for file in files[1:]))
    smallest = min(files, key=lambda file: len(file.genes))
    panel = len(smallest.genes)
    hint = naming_hint([(file.name, file.genes) for file in files], len(common))
    if len(common) < MIN_SHARED:
        examples = "; ".join(f"{file.name}: {', '.join(file.genes[:2])}, ..." for file in files[:3])
        raise InputError(
            f"expected at least {MIN_SHARED} genes shared by all {len(files)} files, found {len(common)} of {panel} "
            f"({examples}); {hint or 'use one gene naming in all files, and panels that overlap'}."
            if len(files) > 1
            else f"{smallest.name}: expected at least {MIN_SHARED} genes, found {panel}; keep more genes."
        )
    share = len(common) / panel
    if len(common) >= FEW_SHARED and share >= SMALL_SHARE:
        return
    if share == 1.0:
        found = f"{smallest.name} has {panel} genes, of which all are used"
        advice = f"panels of fewer than {FEW_SHARED} genes tell places apart less well, so trust the layouts less"
    else:
        found = (
            f"the files share {len(common)} genes, {share:.1%} of the smallest panel ({smallest.name}: {panel} genes)"
        )
        advice = "the others are dropped; use one gene naming in all files"
    warnings.warn(f"few genes: {found}; {hint or advice}.", stacklevel=stacklevel + 1)


def naming_hint(panels: Sequence[tuple[str, Sequence[str]]], shared: int) -> str:
    """The renaming that makes panels share most, if it makes them share much more, as a remedy without full stop.

    Version suffixes, genome prefixes, case and punctuation are tried on the names; of Ensembl ids beside symbols it is only
    said that they are.

    Args:
        panels: Names of the files, and their genes.
        shared: Genes that they share as they are.

    Returns:
        The remedy, or an empty string.
    """
    best, words = max(((_shared(panels, rename), text) for rename, text in RENAMINGS), key=lambda found: found[0])
    if best >= max(MIN_SHARED, 2 * shared):
        return f"{best} would be shared {words}"
    ids = {name: sum(bool(ENSEMBL.match(gene)) for gene in genes) > len(genes) / 2 for name, genes in panels}
    if len(set(ids.values())) == 2:
        by_id, by_symbol = (next(name for name, found in ids.items() if found is kind) for kind in (True, False))
        return (
            f"{by_id} names genes by Ensembl id and {by_symbol} by symbol, so name the column of var that holds the same "
            f"names with {argument('gene_column')}"
        )
    return ""


def _shared(panels: Sequence[tuple[str, Sequence[str]]], rename: Callable[[str], str]) -> int:
    renamed = [{rename(gene) for gene in genes} for _, genes in panels]
    return len(renamed[0].intersection(*renamed[1:]))


def _without_version(gene: str) -> str:
    return VERSION.sub("", gene) if ENSEMBL.match(gene) else gene


def _all(gene: str) -> str:
    return MARKS.sub("-", _without_version(GENOME.sub("", gene.strip()))).upper()


RENAMINGS: tuple[tuple[Callable[[str], str], str], ...] = (
    (_without_version, "without the version suffix of the Ensembl ids (ENSG00000139618.12); cut it off in var_names"),
    (str.upper, "if case did not count (mouse writes Sox2, human SOX2); write var_names in capitals in all files"),
    (lambda gene: GENOME.sub("", gene), "without the genome's prefix (GRCh38_SOX2); cut it off in var_names"),
    (
        lambda gene: MARKS.sub("-", gene.strip()),
        "if dots, dashes and underscores were the same (HLA-A, HLA.A); write them alike in var_names",
    ),
    (_all, "if case, punctuation, versions and prefixes did not count; write var_names alike in all files"),
)
"""Renamings, and how the remedy describes them; of equally good ones the first is named."""
