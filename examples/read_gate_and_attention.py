"""Train a small model on one miniset, then read what its gate and its attention look at.

The embedding is a noisy function of place, so that the candidates hold both true neighbours and impostors.
"""

from __future__ import annotations

import torch
from torch_geometric.data import Data

from pyg_gears.losses import gate_kl, log_stress, random_walk_kl
from pyg_gears.models import IPALite
from pyg_gears.transforms import CandidateGraph, GeometricTargets

NODES, CHANNELS = 128, 32


def miniset(seed: int = 0) -> Data:
    """A disc of cells; the transforms use the coordinates once and drop them."""
    generator = torch.Generator().manual_seed(seed)
    angle = 6.2832 * torch.rand(NODES, generator=generator)
    radius = torch.rand(NODES, generator=generator).sqrt()
    pos = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
    waves = torch.cos(3 * pos @ torch.randn(2, CHANNELS, generator=generator) + torch.arange(CHANNELS))
    x = waves + 0.5 * torch.randn(NODES, CHANNELS, generator=generator)
    return GeometricTargets()(CandidateGraph(k=50)(Data(x=x, pos=pos)))


def rank_correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    """Spearman's rho."""
    ranks = torch.stack([a.argsort().argsort(), b.argsort().argsort()]).double()
    return torch.corrcoef(ranks)[0, 1].item()


def main() -> None:
    """Train, then print one line per recycle and one per head."""
    torch.manual_seed(0)
    data = miniset()
    model = IPALite.from_preset("d7", CHANNELS)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        optimiser.zero_grad()
        output = model(data)
        gate_loss = gate_kl(output.gate_logits, data)
        loss = 0.3 * random_walk_kl(output.pos, data) + log_stress(output.pos, data) + 0.1 * gate_loss
        loss.backward()
        optimiser.step()
    print(f"after 60 steps: loss {loss.item():.3f}, gate KL {gate_loss.item():.3f}")

    model.eval()
    with torch.no_grad():
        output = model(data, return_terms=True)
    source, target = data.edge_index
    other = source != target
    truth = data.gate_target  # the true transition probabilities on the candidates
    print(
        f"gate against the true transitions: Spearman {rank_correlation(output.gate_logits[other], truth[other]):.2f}"
    )

    print("recycle  entropy/nats  mass on true neighbours  Spearman of alpha with: gate    qk   geo")
    assert output.terms is not None
    for recycle, terms in enumerate(output.terms):
        alpha = terms.alpha
        entropy = -torch.special.xlogy(alpha, alpha).sum() / (NODES * alpha.size(1))
        mass = alpha[truth > 0].sum() / (NODES * alpha.size(1))
        mean = alpha.mean(dim=1)[other]
        share = [rank_correlation(mean, part.mean(dim=1)[other]) for part in (terms.gate, terms.qk, terms.geo)]
        print(f"{recycle:>7}  {entropy:12.2f}  {mass:23.2f}  {share[0]:28.2f} {share[1]:5.2f} {share[2]:5.2f}")
    strongest = output.terms[-1].alpha.mean(dim=1).masked_fill(target != 0, -1).topk(5)
    neighbours = [f"{int(source[e])} ({float(w):.2f})" for w, e in zip(*strongest, strict=True)]
    print(f"node 0 listens most to {', '.join(neighbours)}")


if __name__ == "__main__":
    main()
