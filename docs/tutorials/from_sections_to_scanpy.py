# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From three sections to scanpy
#
# This page goes from three slides and a file of dissociated cells to a layout with its confidence, and then uses both in
# scanpy and squidpy. Every figure below is of simulated tissue, so that this page can be run anywhere; the commands for your
# own Visium sections come first.
#
# As a notebook with its outputs: {nb-download}`from_sections_to_scanpy.ipynb`.

# %% [markdown]
# ## With three Visium folders of your own
#
# Nothing has to be converted: the folder `outs` of Space Ranger is a slide, named after the folder above it, and a matrix of Cell
# Ranger is a file of cells. In a clone of this repository, in a terminal ([more on installing](../install.md)):
#
# ```bash
# python3 -m venv .venv && source .venv/bin/activate
# pip install ".[plot,report,tutorial,eval]"
# ```
#
# **First ask whether your tissue can be placed.** Keep one section out of everything, lay its spots out by their
# expression alone, and compare with where they are:
#
# ```bash
# pyg-gears fit liver_1/outs liver_2/outs --out check
# pyg-gears reconstruct check liver_3/outs --out check.h5ad
# pyg-gears evaluate check.h5ad --truth spatial --reference liver_1/outs liver_2/outs
# ```
#
# The table has simple rivals beside the layout; if one of them does as well, use it. Then fit on all three sections, and lay
# the cells out:
#
# ```bash
# pyg-gears fit liver_1/outs liver_2/outs liver_3/outs --validate liver_3 \
#     --cells cells/outs/filtered_feature_bc_matrix.h5 --out model
# pyg-gears reconstruct model cells/outs/filtered_feature_bc_matrix.h5 --out layout.h5ad
# pyg-gears report layout.h5ad --reference liver_1/outs liver_2/outs liver_3/outs --out report.html
# ```
#
# * `outs` holds `filtered_feature_bc_matrix.h5` (or the folder of that name) and `spatial/tissue_positions.csv`
#   (`tissue_positions_list.csv` before Space Ranger 2). Spots off the tissue are left out.
# * For Visium HD, use the bins of 16 µm and install the extra `io`. All slides would then be called `square_016um`, so name them:
#   `liver_1=liver_1/outs/binned_outputs/square_016um`.
# * Cells that you have filtered and annotated in scanpy are better than the plain matrix: name that `.h5ad`. It has to hold
#   the counts, in `X`, in `layers["counts"]` or in `raw` ([how they are found](../files.md#counts)). Your columns are kept
#   in the layout.
# * Genes must have the same names in all files. Where one file has Ensembl ids and another symbols, see
#   [questions](../faq.md#my-gene-names-do-not-match).
# * `fit` takes the preset `standard` by default; `--preset quick`, in a quarter of the time, is the one to try first.
#
# In Python, start like this:
#
# ```python
# import anndata
# import numpy as np
# import scanpy as sc
#
# adata = anndata.read_h5ad("layout.h5ad")
# adata = adata[np.isfinite(adata.obsm["X_gears"]).all(axis=1)].copy()  # cells without a count have no place
# sc.pp.normalize_total(adata, target_sum=1e4)  # leave this and the next line out where your X is normalised already
# sc.pp.log1p(adata)
# # Without cell types of your own, use clusters instead:
# sc.pp.highly_variable_genes(adata, n_top_genes=2000)
# sc.pp.pca(adata)
# sc.pp.neighbors(adata)
# sc.tl.leiden(adata, key_added="cell_type", flavor="igraph", n_iterations=2, directed=False)
# sc.pl.embedding(adata, basis="X_gears", color=["cell_type", "gears_confidence"], frameon=False)
# ```
#
# From [Keep what is known](#keep-what-is-known) on, the code of this page works on your data unchanged, up to the squidpy part.
# The last section needs the truth, which `check.h5ad` has.
#
# ## The same on simulated tissue

# %%
import tempfile
import warnings
from pathlib import Path

import anndata
import numpy as np
import scanpy as sc

from pyg_gears import Gears, Recipe
from pyg_gears.data import read_cells, read_slide, write_layout, write_simulation

warnings.simplefilter("ignore")
folder = Path(tempfile.mkdtemp())
write_simulation(folder, tissue="lobules", slides=3, cells=400, seed=1, spots=160)
sorted(file.name for file in folder.iterdir())

# %% [markdown]
# ## Look at what goes in
#
# A slide is an AnnData with raw counts in `X` and positions in `obsm["spatial"]`. Cells need counts only.

# %%
slides = [read_slide(folder / f"slide_{number}.h5ad") for number in range(3)]
cells = read_cells(folder / "cells.h5ad")
anndata.read_h5ad(folder / "slide_0.h5ad")

# %% [markdown]
# ## Fit and reconstruct
#
# The last slide is held out in the first round, to calibrate the confidence; the second round trains on all slides.
# For this page the preset `quick` is made smaller still; for a real tissue use `standard`.

# %%
recipe = Recipe.preset("quick").change(
    {
        "minisets": {"count": 40},
        "training": {"epochs": 3, "ramp_epochs": 1.0, "pretraining": {"steps": 80}, "validation": 10},
    }
)
fitted = Gears(recipe).fit(slides, cells, progress=False)
found = fitted.reconstruct(cells, progress=False)
write_layout(
    folder / "layout.h5ad",
    folder / "cells.h5ad",
    pos=found.pos,
    confidence=found.confidence,
    distances=found.layout.distances,
    info=fitted.describe(found, seed=0),
)

# %% [markdown]
# On the command line this is
#
# ```bash
# pyg-gears fit slide_0.h5ad slide_1.h5ad slide_2.h5ad --cells cells.h5ad --out model
# pyg-gears reconstruct model cells.h5ad --out layout.h5ad
# ```
#
# ## The layout in scanpy
#
# [The layout file](../layout_files.md) is your AnnData with `obsm["X_gears"]` and `obs["gears_confidence"]`.

# %%
adata = anndata.read_h5ad(folder / "layout.h5ad")
adata.obs["cell_type"] = adata.obs["cell_type"].astype(str).astype("category")
sc.pp.normalize_total(adata, target_sum=1e4)
sc.pp.log1p(adata)
sc.pl.embedding(adata, basis="X_gears", color=["cell_type", "gears_confidence"], size=60, frameon=False)

# %% [markdown]
# ## Keep what is known
#
# Confidence is the rank correlation that a cell's distances are expected to have with the true ones. Leave out the cells
# that the slides cannot place. Where to cut depends on the question; here the tenth with the least confidence is dropped.
# (On this tissue all cells have nearly the same confidence. On real sections they do not: 0.26 to 0.78 within hippocampus 4,
# fitted on sections 1 and 2 with section 3 held out, version 0.2, `quick`, seed 0.)

# %%
print(adata.obs.groupby("cell_type", observed=True)["gears_confidence"].agg(["mean", "min", "size"]).round(2))
kept = adata[adata.obs["gears_confidence"].rank(method="first") > adata.n_obs / 10].copy()
print(f"{kept.n_obs} of {adata.n_obs} cells, confidence at least {kept.obs['gears_confidence'].min():.2f}")

# %% [markdown]
# ## Genes that vary over the layout
#
# Build a neighbour graph on the layout, then compute Moran's I of every gene. A word of caution: the layout was made *from*
# expression, so genes vary smoothly over it by construction. The list ranks genes; it does not test them. For a test
# use genes that the fit has not seen.

# %%
sc.pp.neighbors(kept, n_neighbors=10, use_rep="X_gears")
kept.var["morans_i"] = sc.metrics.morans_i(kept)
top = kept.var["morans_i"].nlargest(3)
print(top.round(2))
sc.pl.embedding(kept, basis="X_gears", color=list(top.index), size=60, frameon=False)

# %% [markdown]
# ## Which types are neighbours, weighted by confidence
#
# Count the pairs of neighbouring cells by type, each weighted by the product of the two confidences, and divide by
# the count expected with shuffled types. Above 1, two types are neighbours more often than by chance.

# %%
types = kept.obs["cell_type"].cat.codes.to_numpy()
trust = kept.obs["gears_confidence"].to_numpy()
pairs = kept.obsp["connectivities"].tocoo()
weight = trust[pairs.row] * trust[pairs.col]


def pairs_by_type(labels: np.ndarray) -> np.ndarray:
    """Weighted pairs of neighbours for every two types."""
    table = np.zeros((labels.max() + 1,) * 2)
    np.add.at(table, (labels[pairs.row], labels[pairs.col]), weight)
    return table


rng = np.random.default_rng(0)
shuffled = np.mean([pairs_by_type(rng.permutation(types)) for _ in range(50)], axis=0)
(pairs_by_type(types) / shuffled).round(1)

# %% [markdown]
# ## The same in squidpy
#
# squidpy installs some 120 packages, so this page does not run it. It reads the layout as any other coordinates:
#
# ```python
# import squidpy as sq
#
# sq.gr.spatial_neighbors(kept, spatial_key="X_gears", coord_type="generic", n_neighs=10)
# sq.gr.nhood_enrichment(kept, cluster_key="cell_type")
# sq.pl.nhood_enrichment(kept, cluster_key="cell_type")
# sq.gr.spatial_autocorr(kept, mode="moran")
# ```
#
# squidpy does not weight cells, so leave out those of low confidence first, as above.
#
# ## How accurate is the layout?
#
# The tissue is simulated, so the truth is known (`obsm["spatial_true"]`). On your own cells there is none: keep a
# section out of everything and reconstruct *it*, as above; [another tutorial](compare_recipes.py) says more.

# %%
from pyg_gears.metrics import evaluate_layout

scores = evaluate_layout(found.pos, adata.obsm["spatial_true"])
print(f"Spearman of distances {scores['spearman']:.2f}, Trust@20 {scores['trust_20']:.2f}")

# %% [markdown]
# **Simulated and real.** Training was tiny here, and a simulated tissue is not a real one. On 28 unseen real sections of the
# tissue of their slides, the preset `quick` reaches 0.45 to 0.79 in Spearman and 0.76 to 0.90 in Trust@20
# ([results](../results.md)).
