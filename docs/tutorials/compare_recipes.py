# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Compare two recipes honestly
#
# Which embedding is better on *your* tissue? The answer must come from slides that nothing was fitted on. Three roles
# have to stay apart:
#
# * slides that **train**,
# * the slide that is **held out** and still chooses the epoch (`validate`): its figures are a little too good,
# * the slide that **tests**: it is used once, at the end.
#
# A difference smaller than the spread over seeds tells nothing. So every recipe is fitted with more than one seed.
#
# As a notebook with its outputs: {nb-download}`compare_recipes.ipynb`.

# %%
import warnings

import numpy as np
import pandas as pd

from pyg_gears import Gears, Recipe
from pyg_gears.data import simulate_tissue
from pyg_gears.metrics import evaluate_layout

warnings.simplefilter("ignore")
tissue = simulate_tissue("lobules", slides=4, cells=50, seed=2, spots=160, depth=150.0)
train, test = tissue.slides[:3], tissue.slides[3]  # the third is held out by `fit`
small = {
    "minisets": {"count": 24},
    "training": {"epochs": 2, "ramp_epochs": 1.0, "pretraining": {"steps": 50}, "validation": 6},
}
recipes = {
    kind: Recipe.preset("quick").change(small).change({"embedding": {"kind": kind}}) for kind in ("spatial", "pca")
}

# %% [markdown]
# ## Fit each with two seeds, and look at the test slide once

# %%
rows = []
for kind, recipe in recipes.items():
    for seed in range(2):
        fitted = Gears(recipe.change({"training": {"seed": seed}})).fit(train, validate="slide_2", progress=False)
        layout = fitted.reconstruct(test, seed=seed, progress=False)
        scores = evaluate_layout(layout.pos, test.pos)
        rows.append(
            {
                "embedding": kind,
                "seed": seed,
                "E_geo held out": fitted.report["h_gate"],
                "Spearman": scores["spearman"],
                "Trust@20": scores["trust_20"],
                "confidence": layout.confidence.mean(),
            }
        )
table = pd.DataFrame(rows)
table.round(3)

# %% [markdown]
# E_geo is the yardstick by which epochs are chosen (walks and distances on minisets; lower is better). It orders
# models on the held-out slide; what you want is the layout of the test slide.

# %%
paired = table.pivot(index="seed", columns="embedding", values="Spearman")
difference = paired["spatial"] - paired["pca"]
print(f"spatial minus pca, by seed: {', '.join(f'{value:+.3f}' for value in difference)}")
print(f"seeds of one recipe differ by {table.groupby('embedding')['Spearman'].agg(np.ptp).max():.3f}")

# %% [markdown]
# **How to read it:** if the differences have one sign and are larger than those between seeds, the recipe matters *on this
# test slide*. One slide is one observation, whatever the number of seeds; take every slide in turn as the test before
# you say "better".
#
# ## Compare with the simple rivals
#
# A recipe that beats another may still lose to a regression. Here they are on the same test slide, with the same training slides:

# %%
from pyg_gears.baselines import simple_rivals

rivals = simple_rivals(train[:2], test)
pd.DataFrame(
    {
        name: {key: evaluate_layout(pos, test.pos)[key] for key in ("spearman", "trust_20")}
        for name, pos in rivals.items()
    }
).T.round(3)

# %% [markdown]
# On this small simulated tissue and with this tiny training a regression may well win. On real sections the preset
# `quick` mostly wins, but not everywhere: [results](../results.md#against-simple-rivals).
#
# ## The laboratory does all this
#
# ```bash
# pyg-gears lab experiment --list
# pyg-gears lab experiment candidate-k A.h5ad B.h5ad C.h5ad --out grid --seeds 3 --processes 2
# ```
#
# trains every variant with every slide held out in turn and every seed, resumes when stopped, and gives a verdict on
# numeric criteria. There the held-out slide also chooses the epoch: keep one more slide for the end.
