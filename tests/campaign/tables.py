"""Odd but writable AnnData tables, read from memory and from a file: both must say the same, and be right or refuse."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from pyg_gears.data import ReadOptions, Slide, cells_from_anndata, read_cells, read_slides, slides_from_anndata
from pyg_gears.errors import InputError

KIND = "AnnData tables of odd types, layers, columns and positions"

USUAL = {
    "x": "counts",
    "type": "float32",
    "layout": "csr",
    "place": "nowhere",
    "positions": "floats",
    "section": None,
    "tissue": None,
    "names": "plain",
}
ODD = {
    "x": ("log", "log2", "cpm", "root", "scaled", "corrected", "missing", "nan", "zeros"),
    "type": ("float64", "int16", "int64", "uint8", "float16", "bool"),
    "layout": ("dense", "csc", "csr_array"),
    "place": ("counts", "Raw_Counts", "other", "raw", "raw of more genes"),
    "positions": (
        *("whole", "float32", "text", "objects", "frame", "nullable columns", "columns", "other table"),
        *("three", "nan", "huge", "tiny", "far", "line", "crowded", "none", "words", "one column"),
    ),
    "section": ("library_id", "sample", "Section", "batch", "fov", "cell_type", "orig.ident"),
    "tissue": ("int", "bool", "text", "category", "float", "missing", "all off", "maybe"),
    "names": ("repeated cells", "repeated genes", "spaces"),
}


class Case(NamedTuple):
    """A table, how it is read, and what a right reading gives."""

    choices: dict[str, Any]
    table: anndata.AnnData
    options: ReadOptions
    spatial: bool
    counts: np.ndarray
    corrected: bool
    places: np.ndarray | None
    on_tissue: np.ndarray
    sections: np.ndarray | None


def describe(seed: int) -> str:
    """What the case of a seed is made of."""
    return json.dumps(_case(seed).choices, default=str)


def attempt(seed: int) -> str | None:
    """Read the case of a seed in both ways; None where they agree and are right, or refuse."""
    case = _case(seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "table.h5ad"
        try:
            with anndata.settings.override(allow_write_nullable_strings=True):
                case.table.write_h5ad(path)
        except Exception:
            return None  # what AnnData does not write is no file
        before = None if case.table.X is None else _dense(case.table.X)
        if case.spatial:
            memory = _outcome(lambda: slides_from_anndata(case.table, "table", case.options))
            stored = _outcome(lambda: read_slides(path, case.options))
        else:
            memory = _outcome(lambda: [cells_from_anndata(case.table, "table", case.options)])
            stored = _outcome(lambda: [read_cells(path, case.options)])
        backed = anndata.read_h5ad(path, backed="r")
        on_disk = (
            _outcome(lambda: slides_from_anndata(backed, "table", case.options))
            if case.spatial
            else _outcome(lambda: [cells_from_anndata(backed, "table", case.options)])
        )
        backed.file.close()
    for way, found in (("memory", memory), ("file", stored), ("backed", on_disk)):
        if isinstance(found, Exception) and not isinstance(found, InputError):
            return f"{way}: {type(found).__name__}: {found}; case {case.choices}"
        if isinstance(found, InputError) and "\n" in str(found):
            return f"{way}: a refusal of several lines: {found}"
        if (wrong := _different(memory, found)) is not None:
            return f"{way} differs from memory: {wrong}; case {case.choices}"
    if before is not None and not np.array_equal(before, _dense(case.table.X), equal_nan=True):
        return f"the table was changed; case {case.choices}"
    if isinstance(memory, Exception):
        easy = _easy(case)
        return f"refused, though nothing is odd: {memory}; case {case.choices}" if easy else None
    wrong = _wrong(case, memory)
    return None if wrong is None else f"{wrong}; case {case.choices}"


def _dense(x: Any) -> np.ndarray:
    return np.array(x.toarray() if hasattr(x, "toarray") else x, dtype=np.float64)


def _outcome(read: Any) -> list[Slide] | Exception:
    try:
        return read()
    except Exception as error:
        return error


def _different(one: list[Slide] | Exception, other: list[Slide] | Exception) -> str | None:
    if isinstance(one, Exception) or isinstance(other, Exception):
        # Objects keep their kind in memory only: both must refuse, in words of their own.
        return None if isinstance(one, Exception) and isinstance(other, Exception) else f"{one} against {other}"
    if [(s.name, s.genes, s.cells) for s in one] != [(s.name, s.genes, s.cells) for s in other]:
        return "names"
    for a, b in zip(one, other, strict=True):
        if (a.counts != b.counts).nnz or (a.pos is None) != (b.pos is None):
            return "counts"
        if a.pos is not None and not np.array_equal(a.pos, b.pos):
            return "positions"
    return None


def _easy(case: Case) -> bool:
    made = case.choices
    plain = made["x"] == "counts" and made["names"] in ("plain", "spaces") and not made["options"]
    if not case.spatial:
        return plain
    return plain and made["positions"] in ("floats", "whole") and made["section"] is None and made["tissue"] is None


def _wrong(case: Case, slides: list[Slide]) -> str | None:
    """What is wrong with slides that were read, or None."""
    read = np.ones(len(case.counts), dtype=bool)
    if case.spatial:
        assert case.places is not None
        read = case.on_tissue & ~np.isnan(case.places).any(axis=1)
    rows = np.flatnonzero(read)
    found = np.concatenate([slide.counts.toarray() for slide in slides])
    names = [name for slide in slides for name in slide.cells]
    order = [int(name.split("c")[-1]) for name in names]
    if case.choices["names"] == "repeated cells":
        return None  # which of them is meant is not told by their names
    told = case.options.section_key
    if case.spatial and told in (None, "none") and sorted(order) != sorted(rows.tolist()):
        return f"{len(order)} spots were read instead of {len(rows)}"
    if found.shape[1] == case.counts.shape[1]:
        scale = 1e-3 if case.corrected else 0
        if not np.allclose(found, case.counts[order], rtol=max(scale, 1e-6), atol=scale):
            return "other values than the counts were taken without a refusal"
    if case.spatial:
        if not np.allclose(np.concatenate([slide.pos for slide in slides]), case.places[order], rtol=1e-5):
            return "other positions were taken"
        if case.sections is not None and told is None and case.choices["overlap"] and len(slides) == 1:
            return "sections over one another were read as one"
        if case.sections is not None and told == case.choices["section"]:
            for slide in slides:
                parts = {case.sections[int(name.split("c")[-1])] for name in slide.cells}
                if len(parts) != 1:
                    return "sections were mixed"
    return None


def _case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    n, g = int(rng.integers(30, 100)), int(rng.integers(2, 60))
    made: dict[str, Any] = dict(USUAL)
    for what in rng.choice(list(ODD), rng.integers(0, 5), replace=False):
        made[str(what)] = str(rng.choice(ODD[str(what)]))
    if made["x"] != "counts" and rng.random() < 0.5:
        made["place"] = str(rng.choice(ODD["place"]))
    made |= {"spatial": rng.random() < 0.8, "overlap": rng.random() < 0.5, "log1p": rng.random() < 0.5}
    depth = rng.uniform(0.3, 3, (n, 1))
    counts = rng.poisson(depth * rng.gamma(0.6, 4, g)).astype(np.float64)
    counts[:, 0] += 1
    x, truth = _expression(made, counts, rng)
    table = anndata.AnnData(
        x, obs=pd.DataFrame(index=[f"c{i}" for i in range(n)]), shape=None if x is not None else (n, g)
    )
    table.var_names = [f"g{i}" for i in range(g)]
    if made["x"] == "log" and made["log1p"]:
        table.uns["log1p"] = {"base": None}
    if made["place"] in ("counts", "Raw_Counts", "other"):
        table.layers[made["place"]] = csr_matrix(counts) if made["overlap"] else counts.astype(np.int32)
    elif made["place"].startswith("raw"):
        more = np.hstack([rng.poisson(1.0, (n, 3)), counts]) if made["place"] != "raw" else counts
        genes = [f"h{i}" for i in range(more.shape[1] - g)] + list(table.var_names)
        table.raw = anndata.AnnData(csr_matrix(more), obs=table.obs, var=pd.DataFrame(index=genes))
    sections = _sections(made, table, rng, n)
    places = _positions(made, table, rng, n, sections)
    on_tissue = _tissue(made, table, rng, n)
    _names(made, table)
    options = _options(made, rng)
    made["options"] = {key: value for key, value in options.__dict__.items() if value is not None}
    return Case(made, table, options, made["spatial"], truth, made["x"] == "corrected", places, on_tissue, sections)


def _expression(made: dict[str, Any], counts: np.ndarray, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    share = counts / counts.sum(axis=1, keepdims=True)
    values = {
        "counts": counts,
        "log": np.log1p(share * 1e4),
        "log2": np.log2(share * 1e6 + 1),
        "cpm": share * 1e6,
        "root": np.sqrt(counts),
        "scaled": (counts - counts.mean(axis=0)) / (counts.std(axis=0) + 1),
        "corrected": np.maximum(counts - rng.uniform(0.02, 0.2, counts.shape), 0),
        "nan": np.where(rng.random(counts.shape) < 0.02, np.nan, counts),
        "zeros": np.zeros_like(counts),
        "missing": None,
    }[made["x"]]
    if values is None:
        return None, counts
    kind = made["type"] if made["x"] in ("counts", "zeros") else "float32"
    if made["type"] == "float16" and made["layout"] == "dense" and made["x"] in ("log", "corrected"):
        kind = "float16"
    if kind == "float16" and made["layout"] != "dense":
        kind = "float32"  # SciPy knows no half precision
    if kind == "uint8":
        values = np.minimum(values, 200)
    values = values.astype(kind)
    truth = values.astype(np.float64) if made["x"] == "counts" else counts
    if made["x"] == "corrected" and made["place"] in ("nowhere", "other"):
        truth = values.astype(np.float64)
    layouts = {"dense": np.asarray, "csr": csr_matrix, "csc": csc_matrix, "csr_array": csr_array}
    return layouts[made["layout"]](values), truth


def _sections(made: dict[str, Any], table: anndata.AnnData, rng: np.random.Generator, n: int) -> np.ndarray | None:
    if made["section"] is None:
        return None
    values = np.array(["A", "B/2", "C d"])[rng.integers(0, 2 + (n > 95), n)]
    table.obs[made["section"]] = pd.Categorical(values) if made["log1p"] else values
    large = min(np.sum(values == value) for value in np.unique(values)) >= 35
    if made["section"] == "cell_type" or not large or len(np.unique(values)) < 2:
        made["overlap"] = False
        return None if made["section"] == "cell_type" else values
    return values


def _positions(
    made: dict[str, Any], table: anndata.AnnData, rng: np.random.Generator, n: int, sections: np.ndarray | None
) -> np.ndarray | None:
    where = rng.uniform(0, 1000, (n, 2)).round(3)
    if sections is not None and not made["overlap"]:
        where[:, 0] += 1200.0 * np.unique(sections, return_inverse=True)[1]
    kind = made["positions"]
    if kind == "whole":
        where = np.stack([np.arange(n) * 7 % 101, np.arange(n)], axis=1).astype(float)
        made["overlap"] = False
    where = {
        "nullable columns": where.round(),
        "float32": where.astype(np.float32).astype(float),
        "huge": where * 1e157,
        "tiny": where * 1e-200,
        "far": where + 1e15,
        "line": where * [1, 0] + [0, 5],
        "crowded": where[rng.integers(0, n // 3, n)],
    }.get(kind, where)
    if kind == "nan":
        where[3] = np.nan
    frame = pd.DataFrame(where, index=table.obs_names, columns=["x", "y"])
    tables: dict[str, Any] = {
        "whole": where.astype(int) if kind == "whole" else None,
        "float32": where.astype(np.float32) if kind == "float32" else None,
        "text": where.astype(str),
        "objects": where.astype(str).astype(object),
        "frame": frame,
        "three": np.column_stack([where, np.zeros(n)]),
        "words": np.array([["left", "right"]] * n, dtype=object),
        "one column": where[:, :1],
    }
    if kind in ("columns", "nullable columns"):
        kept = frame.astype("Int64") if kind == "nullable columns" else frame.astype(str)
        table.obs["x"], table.obs["y"] = kept["x"].array, kept["y"].array
    elif kind == "other table":
        table.obsm["X_spatial"] = where
    elif kind != "none":
        table.obsm["spatial"] = tables.get(kind, where)
    return where


def _tissue(made: dict[str, Any], table: anndata.AnnData, rng: np.random.Generator, n: int) -> np.ndarray:
    kind = made["tissue"]
    on = np.ones(n, dtype=bool)
    if kind is None:
        return on
    on[rng.choice(n, n // 6, replace=False)] = False
    values: Any = {
        "int": on.astype(int),
        "bool": on,
        "text": np.where(on, "True", "False"),
        "category": pd.Categorical(np.where(on, "1", "0")),
        "float": on.astype(float),
        "missing": np.where(on, 1.0, np.nan),
        "all off": np.zeros(n, dtype=int),
        "maybe": np.where(on, "1", "maybe"),
    }[kind]
    table.obs["in_tissue"] = values
    return np.ones(n, dtype=bool) if kind == "missing" else on


def _names(made: dict[str, Any], table: anndata.AnnData) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if made["names"] == "repeated cells":
            table.obs_names = ["c0", "c0", *table.obs_names[2:]]
        elif made["names"] == "repeated genes":
            table.var_names = ["g0", "g0", *table.var_names[2:]]
        elif made["names"] == "spaces":
            table.obs_names = [f"a spot c{i}" for i in range(table.n_obs)]
    table.var["symbol"] = [f"s{i}" for i in range(table.n_vars)]
    table.var["same"] = "s"


def _options(made: dict[str, Any], rng: np.random.Generator) -> ReadOptions:
    choices: dict[str, str] = {}
    if rng.random() < 0.15:
        choices["layer"] = str(rng.choice(["X", "counts", "Raw_Counts", "other", "raw", "nothing"]))
    if rng.random() < 0.5 and made["section"] is not None:
        choices["section_key"] = str(rng.choice([made["section"], "none", "nothing"], p=[0.8, 0.1, 0.1]))
    if made["positions"] in ("columns", "nullable columns"):
        choices["spatial_key"] = "x,y"
    elif made["positions"] == "other table":
        choices["spatial_key"] = "X_spatial"
    if rng.random() < 0.1:
        choices["gene_column"] = str(rng.choice(["symbol", "same", "nothing"]))
    return ReadOptions(**choices)
