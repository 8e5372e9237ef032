"""Valid files of every format that is read, with something of everything that AnnData holds."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas
from scipy.sparse import csc_matrix, csr_matrix

FORMATS = ("dense", "csr", "csc", "gzip", "10x", "zarr 2", "zarr 3", "zip", "ranger", "mtx")
N, G = 40, 12


def write(form: str, folder: Path, rng: np.random.Generator) -> Path:
    """A valid file of a format, with something of everything that AnnData holds."""
    x = rng.poisson(2.0, (N, G)).astype(np.float32)
    if form == "10x":
        return _write_tenx(folder / "filtered_feature_bc_matrix.h5", x)
    if form in ("ranger", "mtx"):
        return _write_ranger(folder / "sample", x, form)
    adata = anndata.AnnData(x if form == "dense" else csc_matrix(x) if form == "csc" else csr_matrix(x))
    adata.obs["type"] = pandas.Categorical(rng.choice(["a", "b"], N))
    adata.obs["note"] = [f"é{i}" for i in range(N)]
    adata.obs["maybe"] = pandas.array([1, None] * (N // 2), dtype="Int64")
    adata.obs["flag"] = rng.random(N) < 0.5
    adata.var["gene_ids"] = [f"id{i}" for i in range(G)]
    adata.obsm["spatial"] = rng.normal(size=(N, 2))
    adata.obsm["frame"] = pandas.DataFrame({"u": np.arange(N)}, index=adata.obs_names)
    adata.obsp["near"] = csr_matrix(np.eye(N))
    adata.layers["twice"] = csr_matrix(2 * x)
    adata.uns["info"] = {"text": "words", "list": np.arange(3), "deep": {"names": np.array(["a", "b"])}}
    adata.raw = adata
    if "z" in form and form != "gzip":
        path = folder / "cells.zarr"
        with anndata.settings.override(zarr_write_format=2 if form == "zarr 2" else 3):
            adata.write_zarr(path)
        return zipped(path) if form == "zip" else path
    path = folder / "cells.h5ad"
    adata.write_h5ad(path, compression="gzip" if form == "gzip" else None)
    return path


def _write_tenx(path: Path, x: np.ndarray) -> Path:
    counts = csr_matrix(x.astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group.create_dataset(name, data=getattr(counts, name), compression="gzip")
        group["shape"] = np.array([G, N])
        group["barcodes"] = np.array([f"ACGT-{i}" for i in range(N)], dtype="S")
        group["features/name"] = np.array([f"g{i}" for i in range(G)], dtype="S")
        group["features/id"] = np.array([f"ENSG{i}" for i in range(G)], dtype="S")
        group["features/feature_type"] = np.array([b"Gene Expression"] * G)
    return path


def _write_ranger(folder: Path, x: np.ndarray, form: str) -> Path:
    (folder / "spatial").mkdir(parents=True)
    rows = [f"ACGT-{i},{i % 2},{i},{i},{i * 7},{i * 5 % 11}" for i in range(N)]
    (folder / "spatial" / "tissue_positions_list.csv").write_text("\n".join(rows))
    if form == "ranger":
        _write_tenx(folder / "filtered_feature_bc_matrix.h5", x)
        return folder
    matrix = folder / "filtered_feature_bc_matrix"
    matrix.mkdir()
    entries = [f"{g + 1} {i + 1} {int(x[i, g])}" for i, g in np.argwhere(x > 0)]
    lines = ["%%MatrixMarket matrix coordinate integer general", f"{G} {N} {len(entries)}", *entries]
    (matrix / "matrix.mtx").write_text("\n".join(lines))
    (matrix / "barcodes.tsv").write_text("\n".join(f"ACGT-{i}" for i in range(N)))
    (matrix / "features.tsv").write_text("\n".join(f"ENSG{i}\tg{i}\tGene Expression" for i in range(G)))
    return folder


def zipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, file.relative_to(path))
    shutil.rmtree(path)
    return packed
