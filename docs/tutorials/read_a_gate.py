# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Read a gate and its attention
#
# A fitted model passes messages between candidates, which are spots alike in expression. This page asks
# whether its gate knows which of them are near in space, and whether attention follows the gate. Both can be read on a
# slide whose positions are known and that training has not seen.
#
# As a notebook with its outputs: {nb-download}`read_a_gate.ipynb`.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch_geometric.data import Data

from pyg_gears import Gears, Recipe
from pyg_gears.data import simulate_tissue
from pyg_gears.transforms import CandidateGraph, GeometricTargets

warnings.simplefilter("ignore")
tissue = simulate_tissue("layers", slides=4, cells=50, seed=0, spots=160)
recipe = Recipe.preset("quick").change(
    {
        "minisets": {"count": 40},
        "graph": {"k": 60},
        "training": {"epochs": 3, "ramp_epochs": 1.0, "pretraining": {"steps": 80}, "validation": 10},
    }
)
fitted = Gears(recipe).fit(tissue.slides[:3], progress=False)
unseen = tissue.slides[3]

# %% [markdown]
# ## The slide as a graph
#
# The graph holds the embedding, the candidates, and (because the positions are known) the gate's target: the transition
# probabilities of the true random walk on the candidates.

# %%
x = fitted.encoder.embed(unseen).x
truth = torch.tensor(unseen.pos, dtype=torch.float32)
graph = GeometricTargets()(CandidateGraph(k=60)(Data(x=x, pos=truth)))
model = fitted.members[0]
with torch.no_grad():
    output = model(graph, return_terms=True)
source, target = graph.edge_index
other = source != target
gate, near = output.gate_logits[other], graph.gate_target[other] > 0
print(f"{int(other.sum())} candidate edges, {near.float().mean():.0%} of them between true neighbours")

# %% [markdown]
# ## Does the gate know neighbours?
#
# This is the chance that a true neighbour gets a higher logit than an impostor (0.5 if the gate knows nothing, 1 if it is
# perfect), beside the same chance for plain similarity of the embeddings.

# %%
from sklearn.metrics import roc_auc_score

cosine = torch.nn.functional.cosine_similarity(x[source], x[target])[other]
print(f"gate {roc_auc_score(near, gate):.2f}, cosine of the embeddings {roc_auc_score(near, cosine):.2f}")

# %%
figure, axes = plt.subplots(figsize=(5, 3))
bins = np.linspace(float(gate.min()), float(gate.max()), 40)
axes.hist(gate[near], bins, density=True, alpha=0.7, color="#0072B2", label="true neighbours")
axes.hist(gate[~near], bins, density=True, alpha=0.7, color="#E69F00", label="impostors")
axes.set(xlabel="gate logit", ylabel="density")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Where does attention go?
#
# There is one line per round: the share of the attention that reaches true neighbours, and how attention follows the gate and
# q.k (rank correlation over edges).

# %%
from scipy.stats import spearmanr

for number, terms in enumerate(output.terms, start=1):
    alpha = terms.alpha.mean(dim=1)
    on_neighbours = alpha[graph.gate_target > 0].sum() / len(x)
    follows = {name: spearmanr(alpha[other], getattr(terms, name).mean(dim=1)[other])[0] for name in ("gate", "qk")}
    correlation = ", ".join(f"{name} {value:.2f}" for name, value in follows.items())
    print(f"round {number}: {on_neighbours:.0%} on true neighbours, rank correlation with {correlation}")

# %% [markdown]
# ## One spot on the tissue
#
# The picture shows which spots the spot in the middle attends to.

# %%
centre = int((truth - truth.mean(dim=0)).norm(dim=1).argmin())
mine = (target == centre) & other
figure, panels = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
shown = {"gate": output.gate_logits[mine], "attention, last round": output.terms[-1].alpha.mean(dim=1)[mine]}
for axes, (title, values) in zip(panels, shown.items(), strict=True):
    axes.scatter(*truth.T, s=10, color="#DDDDDD")
    points = axes.scatter(*truth[source[mine]].T, s=24, c=values, cmap="viridis")
    axes.scatter(*truth[centre], marker="x", color="#D55E00")
    figure.colorbar(points, ax=axes, shrink=0.8)
    axes.set(title=title, aspect="equal", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## What a better gate would gain
#
# Give the model the true gate in place of its own, and the yardstick E_geo (lower is better) shows what the gate's
# errors cost.

# %%
from pyg_gears.losses import geometric_energy

true_gate = torch.where(graph.gate_target > 0, 0.0, -8.0).masked_fill(source == target, 0.0)
with torch.no_grad():
    for name, options in {
        "no gate": {"use_gate": False},
        "its own gate": {},
        "true neighbours only": {"gate_logits": true_gate},
    }.items():
        print(f"{name:>20}: E_geo {float(geometric_energy(model(graph, **options).pos, graph)):.2f}")

# %% [markdown]
# `pyg-gears lab diagnose MODEL SLIDE... --out DIAGNOSIS` measures all this and more on many minisets, with negative
# controls and limits.
#
# **Simulated and real.** On hippocampus sections that a quick model has not seen, half of the gate's best 30 candidates
# are among the 30 likeliest true neighbours (strict precision@30 0.50 to 0.53, version 0.1), and the gate accounts for
# nearly the whole gap to the true graph ([results](../results.md#what-limits-the-accuracy)). Simulated tissue is easier.
