"""Random odd AnnData given to ``Gears.fit`` and ``FittedGears.reconstruct``: a right result, or one sentence."""

from __future__ import annotations

import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from anndata import AnnData
from scipy import sparse

from pyg_gears import FittedGears, Gears, Recipe
from pyg_gears.errors import InputError

KIND = "calls"
GENES = [f"Gene{i}" for i in range(30)]
TINY = {
    "embedding": {"kind": "pca", "components": 5},
    "minisets": {"count": 3, "min_size": 20, "max_size": 30},
    "graph": {"k": 8},
    "model": {"recycles": 1, "hidden_channels": 8, "heads": 2, "head_channels": 4, "gate": {"channels": 8}},
    "training": {
        "members": 1,
        "epochs": 1,
        "final_epochs": 1,
        "pretraining": None,
        "validation": 2,
        "node_budget": 120,
    },
}
RECIPE = Recipe.preset("quick").change(TINY)
Rng = np.random.Generator


def tissue(rng: Rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts (n, 30) that depend on the place, and the places."""
    pos = rng.uniform(0, 1000, (n, 2))
    rate = 3 * (1 + np.sin(pos[:, :1] / 200 + np.arange(30))) + 0.2
    return rng.poisson(rate).astype(np.float32), pos


@cache
def model() -> FittedGears:
    """One tiny model for all calls of ``reconstruct``."""
    slides = {}
    for name in "ab":
        counts, pos = tissue(np.random.default_rng(ord(name)), 70)
        slides[name] = AnnData(counts, obsm={"spatial": pos})
        slides[name].var_names = GENES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Gears(RECIPE).fit(slides, progress=False)


def _some(rng: Rng, n: int) -> np.ndarray:
    return np.flatnonzero(rng.random(n) < rng.choice([0.02, 0.3, 0.9, 1.0]))


def _set(value: float) -> Callable[[np.ndarray, Rng], None]:
    def change(x: np.ndarray, rng: Rng) -> None:
        if x.size:
            x[rng.integers(len(x)), rng.integers(x.shape[1])] = value

    return change


def _empty(x: np.ndarray, rng: Rng) -> None:
    x[_some(rng, len(x))] = 0


def _alike(x: np.ndarray, rng: Rng) -> None:
    x[:] = x[:1]


def _one_gene(x: np.ndarray, rng: Rng) -> None:
    x[:, np.arange(x.shape[1]) != 3] = 0


def _depths(x: np.ndarray, rng: Rng) -> None:
    """All of one profile, at different depths."""
    x[:] = x[:1] * (1 + np.arange(len(x)) % 4)[:, None]


def _two_profiles(x: np.ndarray, rng: Rng) -> None:
    x[:] = x[np.arange(len(x)) % 2] if len(x) > 1 else x


def _nearly_empty(x: np.ndarray, rng: Rng) -> None:
    rows = _some(rng, len(x))
    x[rows] = 0
    x[rows, rng.integers(x.shape[1], size=len(rows))] = 1


def _scaled(factor: float) -> Callable[[np.ndarray, Rng], None]:
    def change(x: np.ndarray, rng: Rng) -> None:
        x *= np.float32(factor)

    return change


HARMLESS: dict[str, Callable[[np.ndarray, Rng], None]] = {"as they are": lambda x, rng: None}
ODD: dict[str, Callable[[np.ndarray, Rng], None]] = {
    "some empty": _empty,
    "one count each": _nearly_empty,
    "all alike": _alike,
    "one gene": _one_gene,
    "one profile": _depths,
    "two profiles": _two_profiles,
    "huge": _scaled(1e36),
    "tiny": _scaled(1e-36),
    "one huge": _set(3e38),
    "NaN": _set(np.nan),
    "infinite": _set(np.inf),
    "negative": _set(-1.0),
}
FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "float32": lambda x: x,
    "float64": lambda x: x.astype(np.float64),
    "float16": lambda x: x.astype(np.float16),
    "int64": lambda x: x.astype(np.int64),
    "uint8": lambda x: x.astype(np.uint8),
    "bool": lambda x: x > 0,
    "Fortran order": np.asfortranarray,
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "read only": lambda x: (y := x.copy(), y.setflags(write=False))[0],
}
EXACT = ("float32", "float64", "Fortran order", "csr_matrix", "csc_matrix", "csr_array", "csc_array", "read only")
"""Forms that hold every value that was drawn."""
WRONG: dict[str, Any] = {
    "None": None,
    "array": np.ones((40, 30)),
    "text": "no file.h5ad",
    "number": 3,
    "bytes": b"x",
    "empty list": [],
    "list of lists": [[1.0]],
    "dict of nothing": {"a": None},
}


@dataclass
class Case:
    """One call, drawn from its seed."""

    call: str
    change: str
    form: str
    genes: str
    way: str
    n: int
    wrong: str | None

    @property
    def good(self) -> bool:
        """Whether the call must succeed."""
        return self.wrong is None and self.change == "as they are" and self.genes in FINE_GENES and self.n >= 40

    def __str__(self) -> str:
        if self.wrong:
            return f"{self.call} given {self.wrong}"
        return f"{self.call} of {self.n} rows, counts {self.change} as {self.form}, genes {self.genes}, {self.way}"


FINE_GENES = ("the same", "reversed", "more", "two missing")
GENE_CHANGES = (*FINE_GENES, "the same", "half missing", "capitals", "others", "repeated", "nine")
WAYS = ("in memory", "a view", "backed", "a path", "integer names")


def draw(seed: int) -> Case:
    """The case of a seed."""
    rng = np.random.default_rng(seed)
    plain = rng.random() < 0.2  # a call that must succeed
    change = str(rng.choice([*HARMLESS, *HARMLESS, *ODD])) if rng.random() < 0.9 else "as they are"
    change = "as they are" if plain else change
    forms = list(FORMS) if change in ("as they are", "some empty", "one count each") else list(EXACT)
    return Case(
        call=str(rng.choice(["fit", "fit with cells", "reconstruct", "reconstruct", "reconstruct"])),
        change=change,
        form=str(rng.choice(forms)),
        genes=str(rng.choice(FINE_GENES if plain else GENE_CHANGES)),
        way=str(rng.choice(WAYS)),
        n=60 if plain else int(rng.choice([0, 1, 2, 3, 6, 29, 40, 60, 60, 60])),
        wrong=str(rng.choice(list(WRONG))) if rng.random() < 0.08 and not plain else None,
    )


def build(case: Case, seed: int, folder: Path) -> tuple[Any, np.ndarray]:
    """What is given to the call, and which of its rows have counts in the model's genes."""
    rng = np.random.default_rng([seed, 1])
    x, pos = tissue(rng, case.n)
    (HARMLESS | ODD)[case.change](x, rng)
    # No name is given twice but on purpose.
    names = list(GENES)
    if case.genes == "reversed":
        x, names = x[:, ::-1].copy(), names[::-1]
    elif case.genes == "more":
        x, names = np.concatenate([x, np.ones((case.n, 5), np.float32)], axis=1), [*names, *"vwxyz"]
    elif case.genes in ("two missing", "half missing", "nine"):
        kept = {"two missing": 28, "half missing": 15, "nine": 9}[case.genes]
        x, names = x[:, :kept].copy(), names[:kept]
    elif case.genes == "capitals":
        names = [name.upper() for name in names]
    elif case.genes == "others":
        names = [f"ENSG{i:011d}.1" for i in range(30)]
    elif case.genes == "repeated":
        names = [*names[:-1], names[0]]
    shown = FORMS[case.form](x)
    dense = np.asarray(shown.toarray() if sparse.issparse(shown) else shown, dtype=np.float64)
    mine = [i for i, name in enumerate(names) if name in GENES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        adata = AnnData(shown, obsm={"spatial": pos})
        adata.var_names = names
        counted = dense[:, mine].sum(axis=1) > 0
        if case.way == "a view" and case.n:
            adata, counted = adata[::-1], counted[::-1]
        elif case.way in ("backed", "a path"):
            path = folder / f"given_{seed}.h5ad"
            adata.write_h5ad(path)
            return (anndata.read_h5ad(path, backed="r") if case.way == "backed" else str(path)), counted
        elif case.way == "integer names":
            adata.obs_names = [str(i * 7) for i in range(case.n)]
    return adata, counted


def attempt(seed: int) -> str | None:
    """Make the call of a seed; None if it held, else what went wrong."""
    case = draw(seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        given, counted = (WRONG[case.wrong], np.zeros(0, bool)) if case.wrong else build(case, seed, Path(folder))
        before = given.to_memory() if isinstance(given, AnnData) and given.isbacked else given
        before = before.copy() if isinstance(before, AnnData) and case.form != "float16" else None
        try:
            trouble = _call(case, given, counted, seed)
        except InputError as error:
            text = str(error)
            trouble = f"a good input was refused: {text}" if case.good else None
            if "expected" not in text or "found" not in text or "\n" in text.strip():
                trouble = f"not one sentence of what was expected and found: {text!r}"
        except Exception:
            trouble = traceback.format_exc(limit=-6)
        if trouble is None and before is not None:
            trouble = _changed(before, given)
        if isinstance(given, AnnData) and given.isbacked:
            given.file.close()
    return None if trouble is None else f"{case} (seed {seed}): {trouble}"


def describe(seed: int) -> str:
    """The call of a seed in words."""
    return str(draw(seed))


def _call(case: Case, given: Any, counted: np.ndarray, seed: int) -> str | None:
    if case.call == "reconstruct":
        found = model().reconstruct(given, progress=False, seed=seed)
        placed = ~np.isnan(found.pos).any(axis=1)
        if found.pos.shape != (len(counted), 2) or not np.array_equal(placed, counted):
            return f"places for {placed.sum()} cells, of which {counted.sum()} have counts"
        if not (np.isfinite(found.pos[placed]).all() and np.isfinite(found.layout.distances.data).all()):
            return "infinite places or distances"
        if not ((found.confidence >= 0) & (found.confidence <= 1)).all() or found.confidence[~placed].any():
            return f"confidence from {found.confidence.min()} to {found.confidence.max()}"
        if found.layout.distances[np.flatnonzero(~placed)].nnz:
            return "distances of cells without a place"
        return None
    counts, pos = tissue(np.random.default_rng([seed, 2]), 60)
    other = AnnData(counts, obsm={"spatial": pos})
    other.var_names = GENES
    cells = given if case.call == "fit with cells" else None
    slides = [other] if case.call == "fit with cells" else [other, given]
    if case.call == "fit" and case.wrong:
        slides = given
    fitted = Gears(RECIPE).fit(slides, cells, progress=False)
    numbers = [fitted.report["h_gate"], fitted.report["t_edge"], *fitted.report["rivals"].values()]
    weights = [value for member in fitted.members for value in member.state_dict().values()]
    if not np.isfinite(numbers).all() or not all(bool(w.isfinite().all()) for w in weights):
        return f"a model that is not finite: {numbers}"
    return None


def _changed(before: AnnData, after: AnnData) -> str | None:
    """What a call did to the AnnData that it was given."""
    after = after.to_memory() if after.isbacked else after
    one, two = (a.X.toarray() if sparse.issparse(a.X) else np.asarray(a.X) for a in (before, after))
    same = sparse.issparse(before.X) == sparse.issparse(after.X) and one.dtype == two.dtype
    same = same and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    same = same and np.array_equal(before.obsm["spatial"], after.obsm["spatial"])
    same = same and before.obs.equals(after.obs) and before.var.equals(after.var) and list(after.obsm) == ["spatial"]
    return None if same else "the AnnData that was given has been changed"
