"""A projection of the embedding that the gate's KL alone decides: candidates are searched and gates read in it."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.losses import gate_kl
from pyg_gears.seeds import child_seed
from pyg_gears.training.build_model import seeded_weights
from pyg_gears.training.gate_recipe import GateTraining
from pyg_gears.training.schedules import cosine_rate


def fit_gate_projection(
    gate: GateTraining,
    train: MinisetDataset,
    *,
    node_budget: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "c d"]:
    r"""Learn P together with a gate that reads :math:`xP`, by nothing but the gate's loss.

    .. math:: \min_{P, \theta} \mathrm{KL}\big(T \,\|\, \mathrm{softmax}(\mathrm{Gate}_\theta(x P))\big)

    P starts as the first d columns of the identity. The gate, here without dropout, is discarded: those of the models are
    trained on P later.

    Args:
        gate: The gate's recipe, with ``projection``.
        train: Training minisets with candidates of the embedding itself, and the gate's targets.
        node_budget: Nodes per batch at most.
        seed: Seed of the gate's first weights and of the order.
        device: Where they are trained.

    Returns:
        P, shape (c, d), float32, on the CPU, without gradient.

    Source: the published plan, in which P is trained by the gate's KL alone for one or two epochs. It does not give the
    learning rate; ours falls by a cosine to a hundredth.
    """
    plan = gate.projection
    assert plan is not None
    in_channels = train.slides[0].x.size(1)
    with seeded_weights(child_seed(seed, "weights")):
        network = gate.network(plan.channels, heads=1).to(device).eval()
    projection = torch.eye(in_channels, plan.channels, device=device).requires_grad_()
    optimizer = torch.optim.Adam([projection, *network.parameters()], lr=plan.lr)
    loaders = [MinisetLoader(train, node_budget, seed=child_seed(seed, "order", epoch)) for epoch in range(plan.epochs)]
    steps = sum(map(len, loaders))
    for step, batch in enumerate(itertools.chain(*loaders)):
        optimizer.param_groups[0]["lr"] = cosine_rate(step, steps, high=plan.lr, low=plan.lr / 100)
        graphs = batch.to(device)
        loss = gate_kl(network(graphs.x @ projection, graphs.edge_index, graphs.batch), graphs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return projection.detach().cpu()
