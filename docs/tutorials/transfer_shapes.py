# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Shapes from one picture on another
#
# The package draws two pictures: connected curves, and boxes and arrows. This page shows what spectral attention sees in
# them, and what becomes of a shape that it places.
#
# As a notebook with its outputs: {nb-download}`transfer_shapes.ipynb`.

# %%
import matplotlib.pyplot as plt
import torch

from pyg_gears.transfer import Strategy, describe, draw_boxes, draw_curves, fidelity, one_pass, picture_graph

SIDE = 128
curves, boxes = picture_graph(draw_curves(SIDE)), picture_graph(draw_boxes(SIDE))
target, sample = describe(curves, "target"), describe(boxes, "sample")


def show(**pictures):
    _, panels = plt.subplots(1, len(pictures), figsize=(3.2 * len(pictures), 3.2), layout="constrained")
    for axes, (title, signal) in zip(panels, pictures.items(), strict=True):
        axes.imshow(signal.reshape(SIDE, SIDE, -1).squeeze(-1), interpolation="nearest", cmap="viridis")
        axes.set(title=title.replace("_", " "), xticks=[], yticks=[])
    plt.show()


# %% [markdown]
# ## The basis
#
# The basis holds the smoothest functions that avoid crossing a contour. Their size depends on the number of nodes, and
# their signs are fixed by a rule.

# %%
show(curves=curves.signal, second=target.phi[:, 1], third=target.phi[:, 2], sixth=target.phi[:, 5])

# %% [markdown]
# ## Alignment
#
# Entry j of a row of $\phi_t \phi_s^T$ says how strongly a node of the target is related to node j of the sample, but
# flipping the sign of one eigenvector changes it. After alignment it no longer does.

# %%
from pyg_gears.transfer import align, attention_rows

node = torch.tensor([SIDE * 64 + 30])
flips = torch.where(torch.arange(12) % 2 == 0, 1.0, -1.0)
flipped = sample._replace(phi=sample.phi * flips, moments=sample.moments * flips)
for name, other in {"as it is": sample, "signs flipped": flipped}.items():
    fit = align(other, target)
    raw, fitted = (attention_rows(target.phi[node], phi)[0] for phi in (other.phi, other.phi @ fit.rotation))
    print(f"{name:>14}: raw at one pixel {raw[5000]:6.2f}, aligned {fitted[5000]:6.2f}, {fit.rank} directions")

# %% [markdown]
# ## Destinations and units
#
# Destinations are pieces of the contours where the target's own activation is weak; the units of the sample are its
# connected contours.

# %%
from pyg_gears.transfer import destinations, sample_units


def painted(units):
    picture = torch.zeros(SIDE * SIDE)
    for number, nodes in enumerate(units, start=1):
        picture[nodes] = 5 + number
    return picture


where, what = destinations(target, Strategy()), sample_units(sample, Strategy())
print(len(where), "destinations,", len(what), "units")
show(destinations=painted(where), units=painted(what))

# %% [markdown]
# ## One pass, several strategies

# %%
choices = {
    "axes": Strategy(),
    "across_the_curve": Strategy(rotation="curve"),
    "sparse_side": Strategy(translation="sparse"),
    "each_once": Strategy(reuse=1),
}
outputs = {name: one_pass(target, sample, strategy) for name, strategy in choices.items()}
show(**{name: output.signal for name, output in outputs.items()})

# %% [markdown]
# A placed shape must remain a shape: its length changes by at most 5 %, and it stays in as many pieces.

# %%
for name, output in outputs.items():
    found = fidelity(output, curves, boxes)
    lengths = f"lengths {found.length.min():.3f} to {found.length.max():.3f}"
    print(f"{name:>16}: {len(output.fragments)} placed, {lengths}, kept {found.kept:.0%}")

# %% [markdown]
# All choices, with their table: [structure transfer](../transfer.md). From a terminal:
# `pyg-gears transfer TARGET.png SAMPLE.png --out RESULT.png --strategy rotation=curve`.
