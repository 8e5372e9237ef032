"""``Slide``: raw counts of spots or cells, their names, and (for spots) where they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array, issparse

from pyg_gears.data.normalisation import normalisation
from pyg_gears.errors import InputError, argument, expect

MIN_SPOTS = 30
MIN_CELLS = 3
MIN_GENES = 2
LONGEST_NAME = 180
LARGEST_POSITION = 1e12
SMALLEST_SPAN = 1e-4
"""Of a section: the gauge takes a root mean square radius below 1e-6 for a collapse, and a miniset is only a part."""


@dataclass(frozen=True, eq=False)
class Slide:
    """A section of spatial transcriptomics, or (with ``pos=None``) a set of dissociated cells.

    Counts are kept raw. They are converted to canonical ``csr_array`` float32 and checked on construction; any
    non-negative values pass, since some platforms deliver corrected, non-integer counts.

    Attributes:
        name: Name of the slide; the stem of its file. It can be part of a file's name.
        counts: Raw non-negative counts, shape (n, g).
        genes: Gene names, g of them, unique.
        cells: Names of spots or cells, n of them, unique.
        pos: Coordinates, shape (n, 2) float64, any unit, finite; ``None`` for cells whose place is unknown.

    Args:
        copy: Whether the slide keeps counts of its own. False hands a sparse matrix over: it is not held twice, but its entries
            may be sorted, and must not be changed any more.

    Raises:
        InputError: when shapes disagree, a name occurs twice or cannot be part of a file's name, or values are negative,
            NaN or infinite.
    """

    name: str
    counts: csr_array
    genes: tuple[str, ...]
    cells: tuple[str, ...]
    pos: np.ndarray | None = None
    copy: InitVar[bool] = field(default=True, kw_only=True)

    def __post_init__(self, copy: bool) -> None:
        check_slide_name(self.name)
        genes, cells = _names(self.name, "genes", self.genes), _names(self.name, "spots or cells", self.cells)
        counts = _table(self.counts)
        expect(
            len(counts.shape) == 2 and np.dtype(counts.dtype).kind in "fiub",
            f"{self.name}: expected a numeric table of counts, found {counts.dtype} of shape {counts.shape}; "
            "put raw counts into X.",
        )
        expect(
            counts.shape == (len(cells), len(genes)),
            f"{self.name}: expected counts of shape {(len(cells), len(genes))} (names of spots x genes), "
            f"found {counts.shape}; check the names.",
        )
        with np.errstate(over="ignore"):  # what exceeds float32 becomes infinite, and is refused as that
            counts = csr_array(counts, dtype=np.float32, copy=copy)
        counts.sum_duplicates()
        expect(
            bool(np.isfinite(counts.data).all()),
            f"{self.name}: expected raw counts, found NaN or infinite values; remove or refill those entries of X.",
        )
        expect(
            bool(counts.data.min(initial=0) >= 0),
            f"{self.name}: expected raw non-negative counts, found {counts.data.min(initial=0):g}; "
            "put raw counts instead of scaled values into X.",
        )
        counts.eliminate_zeros()
        check_unique(self.name, genes, cells)
        pos = self.pos if self.pos is None else _checked_positions(self.name, self.pos, len(cells))
        for attribute, value in (("counts", counts), ("genes", genes), ("cells", cells), ("pos", pos)):
            object.__setattr__(self, attribute, value)

    def __len__(self) -> int:
        return len(self.cells)

    def subset_genes(self, genes: Sequence[str]) -> Slide:
        """The slide on ``genes``, in that order.

        Raises:
            InputError: when a gene is missing.
        """
        if tuple(genes) == self.genes:  # a copy of the counts less
            return self
        column = {gene: i for i, gene in enumerate(self.genes)}
        missing = [gene for gene in genes if gene not in column]
        expect(
            not missing,
            f"{self.name}: expected all {len(genes)} genes, found {len(missing)} missing, for instance {missing[:1]}; "
            "refit on the shared genes.",
        )
        kept = self.counts[:, [column[gene] for gene in genes]]
        return replace(self, counts=kept, genes=tuple(genes), copy=False)

    def select(self, index: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"] | Sequence[int]) -> Slide:
        """The slide of the spots at ``index`` (numbers or a mask), in that order."""
        rows = np.arange(len(self))[np.asarray(index)]
        return replace(
            self,
            counts=self.counts[rows],
            cells=tuple(self.cells[i] for i in rows),
            pos=None if self.pos is None else self.pos[rows],
            copy=False,
        )


def check_slide_name(name: str) -> None:
    """Check that a slide's name can be part of a file's name, and of a line of a report.

    Raises:
        InputError: for an empty name, ".", "..", more than 180 bytes, a slash, or a character that is not printed.
    """
    expect(
        isinstance(name, str)
        and name.strip(". ") != ""
        and len(name.encode(errors="replace")) <= LONGEST_NAME
        and name.isprintable()
        and not set(name) & set("/\\"),
        f"expected the name of a slide to fit into the name of a file ({LONGEST_NAME} bytes, no slash or line break), "
        f"found {repr(name)[:60]}; give another, on the command line as NAME=path.",
    )


def check_unique(name: str, genes: Sequence[str], cells: Sequence[str]) -> None:
    """Check that genes, and spots or cells, can be told apart by their names.

    Raises:
        InputError: when a name repeats.
    """
    for what, names, remedy in (
        ("spot or cell", cells, "adata.obs_names_make_unique()"),
        ("gene", genes, f"adata.var_names_make_unique(), or name a column of var with {argument('gene_column')}"),
    ):
        if len(set(names)) == len(names):
            continue
        repeated = [one for one, times in Counter(names).items() if times > 1]
        raise InputError(
            f"{name}: expected unique {what} names, found {len(repeated)} that repeat, for instance {repeated[:1]}; make them "
            f"unique with {remedy}."
        )


def check_slide_names(names: Sequence[str]) -> None:
    """Check that slides can be told apart by their names.

    Raises:
        InputError: when two have the same.
    """
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; name them NAME=path.",
    )


def check_slide(slide: Slide) -> None:
    """Check that a slide is large enough to learn geometry from.

    Raises:
        InputError: for no positions or such as span no plane, fewer than 30 spots, fewer than 2 genes, only zeros, or
            values that are plainly normalised.
    """
    expect(
        slide.pos is not None,
        f"{slide.name}: expected positions, found none; put them into obsm['spatial'] (spots x 2).",
    )
    expect(
        len(slide) >= MIN_SPOTS,
        f"{slide.name}: expected at least {MIN_SPOTS} spots, found {len(slide)}; use a larger section.",
    )
    _check_expression(slide)
    assert slide.pos is not None
    check_places(slide.name, slide.pos)


def check_places(name: str, pos: Float[np.ndarray, "n 2"]) -> None:
    """Check that positions span a plane, in numbers whose squares and differences can be computed with.

    Args:
        name: Name of the slide.
        pos: Positions, shape (n, 2), float64.

    Raises:
        InputError: for NaN, all spots at one place or on a line, or numbers that are too large, small or far away.
    """
    broken = int((~np.isfinite(pos)).any(axis=1).sum())
    expect(
        broken == 0,
        f"{name}: expected finite positions, found NaN or infinite ones in {broken} of {len(pos)} spots; "
        "remove those spots.",
    )
    far, span = float(np.abs(pos).max()), float((pos.max(axis=0) / 2 - pos.min(axis=0) / 2).max()) * 2
    expect(span > 0, f"{name}: expected spots at different places, found all at one; check obsm['spatial'].")
    expect(
        far <= LARGEST_POSITION and span >= max(SMALLEST_SPAN, 1e-9 * far),
        f"{name}: expected positions between {SMALLEST_SPAN:g} and {LARGEST_POSITION:g} in any unit, found spots "
        f"{span:g} apart at up to {far:g}; shift or rescale them.",
    )
    plane = (pos - pos.mean(axis=0)) / span
    across = np.linalg.svd(plane, compute_uv=False)
    expect(
        bool(across[1] > 1e-6 * across[0]),
        f"{name}: expected positions in a plane, found all spots on one line; check that both coordinates are given.",
    )


def check_cells(cells: Slide) -> None:
    """Check that there are enough cells and genes to lay out.

    Raises:
        InputError: for fewer than 3 cells, fewer than 2 genes, only zeros, or values that are plainly normalised.
    """
    expect(
        len(cells) >= MIN_CELLS,
        f"{cells.name}: expected at least {MIN_CELLS} cells, found {len(cells)}; fewer have no layout.",
    )
    _check_expression(cells)


def shared_genes(slides: Sequence[Slide]) -> tuple[str, ...]:
    """The genes that all slides measure, in the order of the first.

    Raises:
        InputError: when fewer than two are shared.
    """
    expect(len(slides) > 0, "expected at least one slide, found none; name a slide.")
    common = set(slides[0].genes).intersection(*(slide.genes for slide in slides[1:]))
    names = "; ".join(f"{slide.name}: {', '.join(slide.genes[:2])}, ..." for slide in slides[:3])
    expect(
        len(common) >= MIN_GENES,
        f"expected at least {MIN_GENES} genes shared by all {len(slides)} files, found {len(common)} ({names}); "
        "use one gene naming in all files.",
    )
    return tuple(gene for gene in slides[0].genes if gene in common)


def _check_expression(slide: Slide) -> None:
    expect(
        len(slide.genes) >= MIN_GENES,
        f"{slide.name}: expected at least {MIN_GENES} genes, found {len(slide.genes)}; keep more genes.",
    )
    expect(slide.counts.nnz > 0, f"{slide.name}: expected counts, found only zeros; put raw counts into X.")
    found = normalisation(slide.counts)
    expect(found is None, f"{slide.name}: expected raw counts, found {found}; use counts before normalisation.")


def _names(slide: str, what: str, names: Any) -> tuple[str, ...]:
    expect(
        isinstance(names, Iterable) and not isinstance(names, str | bytes),
        f"{slide}: expected a list of the names of {what}, found {type(names).__name__}; give one name each.",
    )
    return tuple(map(str, names))


def _table(counts: Any) -> Any:
    """Counts as something with a shape and a type of NumPy's."""
    try:
        return counts if issparse(counts) else np.asarray(counts)
    except (ValueError, TypeError, RuntimeError):  # rows of different length, tensors of other kinds
        return np.empty(0, dtype=object)


def _checked_positions(name: str, pos: object, n: int) -> Float[np.ndarray, "n 2"]:
    where = np.asarray(pos)
    columns = where.shape[1] if where.ndim == 2 else f"shape {where.shape}"
    expect(
        where.ndim == 2 and where.shape[1] == 2,
        f"{name}: expected two-dimensional positions (spots x 2), found {columns}"
        f"{' columns' if where.ndim == 2 else ''}; keep the two coordinates in the plane of the section.",
    )
    expect(len(where) == n, f"{name}: expected {n} positions, found {len(where)}; give one row per spot.")
    expect(
        where.dtype.kind in "fiu",
        f"{name}: expected numeric positions, found {where.dtype}; convert them with astype(float).",
    )
    where = np.array(where, dtype=np.float64)
    expect(
        bool(np.isfinite(where).all()),
        f"{name}: expected finite positions, found NaN or infinite ones; remove those spots.",
    )
    where.setflags(write=False)
    return where
