"""Layouts for the pages, in a file and in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_array, csr_matrix

from pyg_gears import FittedGears, Gears, Recipe
from pyg_gears.data import Slide, write_layout, write_slide

GAP = {"coral": 0.1, "mmd": 0.2, "covariance": 0.3}
MODEL = {"slides": ["a", "b", "c"], "held_out": ["c"], "held_out_is_block": False, "cells": 0, "genes": 12}

TINY = {
    "embedding": {"steps": 20, "folds": 3, "repeats": 1},
    "minisets": {"count": 6, "min_size": 30, "max_size": 40},
    "graph": {"k": 12},
    "model": {"hidden_channels": 8, "heads": 2, "head_channels": 4, "recycles": 2},
    "training": {
        "members": 1,
        "epochs": 2,
        "final_epochs": 2,
        "pretraining": {"steps": 2},
        "validation": 2,
        "node_budget": 120,
    },
}


def counts_of(pos: np.ndarray, genes: int, seed: int = 0) -> csr_array:
    """Counts of genes that each depend on the place."""
    generator = np.random.default_rng(seed)
    load = np.random.default_rng(5).normal(size=(2, genes))
    return csr_array(generator.poisson(np.exp(1 + 2 * (pos - pos.mean(axis=0)) @ load)).astype(np.float32))


@pytest.fixture(scope="session")
def layout_file() -> Callable[..., Path]:
    """Writes ``layout.h5ad`` into a folder; names as given."""

    def write(
        folder: Path,
        n: int = 120,
        *,
        types: tuple[str, str] = ("left", "right"),
        gene: str = "g0",
        cell: str = "c0",
        **info: object,
    ) -> Path:
        generator = np.random.default_rng(3)
        pos = generator.random((n, 2))
        genes = (gene, *(f"g{i}" for i in range(1, 12)))
        cells = (cell, *(f"c{i}" for i in range(1, n)))
        slide = Slide("cells", counts_of(pos, len(genes)), genes, cells)
        kinds = {"cell_type": np.where(pos[:, 0] < 0.5, *types), "score": pos[:, 1]}
        write_slide(folder / "cells.h5ad", slide, obs=kinds, obsm={"spatial": pos})
        noisy = pos + 0.02 * generator.normal(size=pos.shape)
        i, j = np.triu_indices(n, 1)
        distances = csr_matrix((np.linalg.norm(noisy[i] - noisy[j], axis=1) * 1.1, (i, j)), shape=(n, n))
        path = folder / "layout.h5ad"
        found = {"recipe": {"training": {"epochs": 3}}, "versions": {"pyg-gears": "9.9"}, "model": MODEL, "gap": GAP}
        write_layout(
            path,
            folder / "cells.h5ad",
            pos=noisy,
            confidence=pos[:, 0],
            distances=distances,
            info={**found, "residuals": {"stress": 0.125}, "adapted": False, **info},
        )
        return path

    return write


@pytest.fixture
def small_adata() -> AnnData:
    """A layout in memory: 40 cells, of which cells 3 and 7 have no place."""
    pos = np.random.default_rng(0).random((40, 2))
    adata = AnnData(csr_matrix(counts_of(pos, 6)), obs=pd.DataFrame(index=[f"c{i}" for i in range(40)]))
    adata.var_names = [f"g{i}" for i in range(6)]
    adata.obsm["spatial"] = pos.copy()
    pos[[3, 7]] = np.nan
    adata.obsm["X_gears"] = pos
    adata.obs["gears_confidence"] = np.where(np.isnan(pos[:, 0]), 0.0, 0.5)
    return adata


@pytest.fixture(scope="session")
def fitted_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FittedGears, list[Slide]]:
    """A tiny model, its folder with a training log, and its three slides, of which s2 was held out."""
    slides = []
    for number in range(3):
        pos = np.random.default_rng(number).random((60, 2))
        counts = counts_of(pos, 20, seed=number)
        names = tuple(f"g{i}" for i in range(20)), tuple(f"s{number}_{i}" for i in range(60))
        slides.append(Slide(f"s{number}", counts, *names, pos))
    folder = tmp_path_factory.mktemp("fitted")
    fitted = Gears(Recipe.preset("quick").change(TINY)).fit(slides, work_dir=folder / "work", progress=False)
    (folder / "work" / "member_0" / "log.csv").rename(folder / "training_0.csv")
    return folder, fitted, slides
