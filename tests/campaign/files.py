"""Damaged files of every format: each is read right or refused in one sentence, in bounded time, without a crash."""

from __future__ import annotations

import json
import selectors
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas
from scipy.sparse import csc_matrix, csr_matrix

from tests.campaign.damage import damage_bytes, damage_elements

KIND = "files"
FORMATS = ("dense", "csr", "csc", "gzip", "10x", "zarr 2", "zarr 3", "zip", "ranger", "mtx")
SECONDS = 60.0
N, G = 40, 12


def attempt(seed: int) -> str | None:
    """Damage one file and read it in another process; None when that held."""
    with tempfile.TemporaryDirectory() as folder:
        path, what = _damaged(seed, Path(folder))
        answer = _WORKER.ask(path)
    return None if answer is None else f"{what}: {answer}"


def describe(seed: int) -> str:
    """What is damaged, and how."""
    with tempfile.TemporaryDirectory() as folder:
        return _damaged(seed, Path(folder))[1]


def _damaged(seed: int, folder: Path) -> tuple[Path, str]:
    rng = np.random.default_rng(seed)
    form = FORMATS[seed % len(FORMATS)]
    path = write(form, folder, rng)
    elements = path.suffix in (".h5ad", ".h5") and rng.random() < 0.5
    done = damage_elements(path, rng) if elements else damage_bytes(path, rng)
    if form == "zip" and rng.random() < 0.7:
        path.unlink()
        path = write("zarr 3", folder, rng)
        done = damage_bytes(path, rng)
        path = _zipped(path)
    return path, f"{form}: {done}"


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
        return _zipped(path) if form == "zip" else path
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


def _zipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, file.relative_to(path))
    shutil.rmtree(path)
    return packed


class _Worker:
    """A process that reads files; one that crashed or hangs is replaced."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def ask(self, path: Path) -> str | None:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.campaign.files_worker"],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            ready = selector.select(SECONDS)
        answer = process.stdout.readline() if ready else ""
        if answer:
            return json.loads(answer)
        self.close()
        return f"no answer in {SECONDS:.0f} s" if not ready else f"the reader ended with {process.returncode}"

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


_WORKER = _Worker()
close = _WORKER.close
