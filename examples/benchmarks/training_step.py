"""Training step of IPALite against the same model in plain message passing, and against its arithmetic: paired in one run.

The plain model has the same parameters and gives the same coordinates (checked below). It differs in how it computes
them: the gate's four features are concatenated for every edge, and attention runs over the edge list with PyG's
softmax and scatter. The floor is the time of the step's matrix products (those for the gradient and those computed
again included) at the float32 rate of large products. One thread, seconds of the processor.

    python examples/benchmarks/training_step.py [--rounds 5] [--preset v1] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics

import torch
from paired import PRODUCT_FLOP, added_mebibytes, alternate, in_a_fork, product, ratio, write_ratios
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.data import Batch, Data
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import scatter, softmax

from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import gate_kl, log_stress, random_walk_kl
from pyg_gears.models import IPALite
from pyg_gears.nn import EdgeGate, IPAConv
from pyg_gears.transforms import CandidateGraph, GeometricTargets

GRAPHS, NODES, NEIGHBORS, CHANNELS = 8, 384, 100, 128


class PlainGate(torch.nn.Module):
    """The gate as its formula is written: one feature vector of 4c numbers per edge."""

    def __init__(self, gate: EdgeGate) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:  # noqa: D102
        h_j, h_i = x[edge_index[0]], x[edge_index[1]]
        z = torch.cat([h_i, h_j, (h_i - h_j).abs(), h_i * h_j], dim=-1)
        z = torch.nn.functional.gelu(self.gate.first(z))
        z = torch.nn.functional.gelu(self.gate.second(z))
        return torch.where(edge_index[0] == edge_index[1], 0.0, self.gate.last(z)[:, 0])


class PlainConv(MessagePassing):
    """IPAConv over the edge list, with what PyG offers."""

    def __init__(self, conv: IPAConv) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.conv = conv

    def forward(self, s: Tensor, pos: Tensor, edge_index: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        c = self.conv
        z = c.norm(s)
        q, k, v = c.project(z).view(-1, 3, c.heads, c.head_channels).unbind(dim=1)
        if c.qk == "plain":
            q = q / q.size(-1) ** 0.5
        else:
            q = torch.nn.functional.layer_norm(q, q.shape[-1:]) * c.temperature.view(-1, 1)
            k = torch.nn.functional.layer_norm(k, k.shape[-1:])
        message, shift = self.propagate(edge_index, q=q, k=k, v=v, pos=pos, bias=bias)
        pos = pos + torch.einsum("hab,nhb->na", c.frame_weight, shift)
        return s + c.update_state(torch.cat([z, message.flatten(1)], dim=-1)), pos

    def message(  # noqa: D102
        self,
        q_i: Tensor,
        k_j: Tensor,
        v_j: Tensor,
        pos_i: Tensor,
        pos_j: Tensor,
        bias: Tensor,
        index: Tensor,
        size_i: int,
    ) -> tuple[Tensor, Tensor]:
        logit = (q_i * k_j).sum(dim=-1) + bias[:, None]
        if self.conv.geometry is not None:
            rate = torch.nn.functional.softplus(self.conv.geometry.gamma)
            logit = logit + (-rate * (pos_i - pos_j).square().sum(dim=-1, keepdim=True)).clamp(-10, 0)
        alpha = softmax(logit, index, num_nodes=size_i)[:, :, None]
        return alpha * v_j, alpha * (pos_j - pos_i)[:, None]

    def aggregate(self, inputs: tuple[Tensor, Tensor], index: Tensor, dim_size: int) -> tuple[Tensor, ...]:  # noqa: D102
        return tuple(scatter(part, index, dim=0, dim_size=dim_size, reduce="sum") for part in inputs)


class PlainIPALite(torch.nn.Module):
    """IPALite's loop around the plain layers, on the parameters of ``model``."""

    def __init__(self, model: IPALite) -> None:
        super().__init__()
        self.model = model
        self.gate = PlainGate(model.gate)
        self.convs = torch.nn.ModuleList(PlainConv(block) for block in model.blocks)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:  # noqa: D102
        m = self.model
        logits = self.gate(batch.x, batch.edge_index)
        pos, state = gauge_fix(m.embed_pos(batch.x), batch.batch), m.embed_state(batch.x)
        for recycle in range(m.recycles):
            conv = self.convs[0 if m.shared else recycle]
            state, pos = conv(state, pos, batch.edge_index, m.beta * logits)
            pos = gauge_fix(pos, batch.batch)
        return pos, logits


def make_batch(seed: int = 0) -> Batch:
    """Eight minisets whose embedding is a noisy function of place."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(64, CHANNELS, generator=generator)
    graphs = []
    for _ in range(GRAPHS):
        pos = torch.randn(NODES, 2, generator=generator)
        waves = torch.cos(pos @ torch.randn(2, 64, generator=generator) + torch.arange(64))
        x = waves @ mix + 2.0 * torch.randn(NODES, CHANNELS, generator=generator)
        graphs.append(GeometricTargets()(CandidateGraph(k=NEIGHBORS)(Data(x=x / 8, pos=pos))))
    return Batch.from_data_list(graphs)


def make_model(preset: str, seed: int = 0) -> IPALite:
    """A model away from its initial point, so that every term of the gradient is at work."""
    torch.manual_seed(seed)
    model = IPALite.from_preset(preset, CHANNELS, noise=0.0)
    for block in model.blocks:
        torch.nn.init.normal_(block.frame_weight, std=0.2)
        torch.nn.init.normal_(block.update_state[-1].weight, std=0.02)
    return model


def step(which: str, model: IPALite, plain: PlainIPALite, batch: Batch) -> Tensor:
    """One training step without the optimiser; returns the coordinates."""
    model.zero_grad()
    if which == "ours":
        output = model(batch)
        pos, logits = output.pos, output.gate_logits
    else:
        pos, logits = plain(batch)
    loss = 0.3 * random_walk_kl(pos, batch) + 0.1 * log_stress(pos, batch) + 0.05 * gate_kl(logits, batch)
    loss.backward()
    return pos.detach()


def addmm_flop(_into: torch.Size, a: torch.Size, b: torch.Size, **_: object) -> int:
    """Operations of a product that is added in place, which torch's counter does not know."""
    return 2 * a[0] * a[1] * b[1]


def product_flop(model: IPALite, plain: PlainIPALite, batch: Batch) -> int:
    """Operations in the matrix products of one of our steps."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: addmm_flop}) as counter:
        step("ours", model, plain, batch)
    return counter.get_total_flops()


def memory_of(which: str, preset: str) -> float:
    """MiB that one step adds."""
    model, batch = make_model(preset), make_batch()
    plain = PlainIPALite(model)
    return added_mebibytes(lambda: step(which, model, plain, batch))


def main() -> None:
    """Run the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="v1", choices=["v1", "v2", "d7"])
    parser.add_argument("--json", metavar="FILE", help="write the ratios to a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    memory = {which: in_a_fork(memory_of, which, arguments.preset) for which in ("ours", "plain")}
    model = make_model(arguments.preset)
    plain, batch = PlainIPALite(model), make_batch()

    print(
        f"{GRAPHS} minisets of {NODES} nodes, k = {NEIGHBORS}, c = {CHANNELS}: {batch.edge_index.size(1)} edges, ",
        end="",
    )
    print(f"preset {arguments.preset}")
    difference = (step("ours", model, plain, batch) - step("plain", model, plain, batch)).abs().max()
    assert difference < 1e-3, f"the two models disagree by {difference}"
    print(f"largest difference of the coordinates: {difference:.1e}")
    floor = product_flop(model, plain, batch) / PRODUCT_FLOP
    runs = {which: lambda which=which: step(which, model, plain, batch) for which in ("ours", "plain")}
    seconds = alternate(runs | {"product": product}, arguments.rounds)
    for which in runs:
        print(f"{which:>5}: median {statistics.median(seconds[which]):.3f} s")
    ratios = {
        "time: step / its matrix products": ratio(seconds, "ours", "product") / floor,
        "time: step / plain PyG": ratio(seconds, "ours", "plain"),
        "memory: step / plain PyG": memory["ours"] / memory["plain"],
    }
    print(
        f"time over that of its matrix products: {ratios['time: step / its matrix products']:.2f} (target at most 2.5)"
    )
    print(f"time ratio plain / ours: {1 / ratios['time: step / plain PyG']:.2f} (target at least 5)")
    print(f"peak memory of a step: ours {memory['ours']:.0f} MiB, plain {memory['plain']:.0f} MiB")
    print(f"memory ratio ours / plain: {ratios['memory: step / plain PyG']:.2f} (target at most 0.5)")
    write_ratios(arguments.json, ratios)


if __name__ == "__main__":
    main()
