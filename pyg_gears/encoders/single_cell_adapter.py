"""An affine map that brings the embeddings of dissociated cells to those of the training spots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pyg_gears.encoders.domain_distances import coral, covariance, median_bandwidths, mmd
from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.seeds import torch_stream

MIN_SHRINKAGE = 0.01
BATCH = 128
SAMPLE = 2000


class AdapterWeights(NamedTuple):
    """How much each term of the adapter's objective counts.

    The identity counts 0.1, not 1 as published (:meth:`published`): CORAL is divided by 4 c^2, so that at 1 the identity
    outweighs both distances and the refinement undoes part of the matching that the closed form did.
    """

    coral: float = 10.0
    mmd: float = 10.0
    identity: float = 0.1

    @classmethod
    def published(cls) -> AdapterWeights:
        """The weights of the GEARS method: 10, 10, 1."""
        return cls(10.0, 10.0, 1.0)


class AdapterObjective(NamedTuple):
    """The terms of the adapter's objective for cells and spots, and their weighted sum."""

    coral: float
    mmd: float
    identity: float
    total: float


class SCAdapter(nn.Module):
    r"""Affine map of cell embeddings; spots are never passed through it.

    .. math:: g(z) = W z + b

    Fitted in closed form so that mean and covariance of the cells become those of the spots, and refined by gradient on

    .. math:: 10\, \mathrm{CORAL}(g(Z), Y) + 10\, \mathrm{MMD}^2(g(Z), Y) + 0.1\, \mathrm{mean}_i \|g(z_i) - z_i\|^2 / c

    with Z the cells and Y the spots. A new adapter is the identity.

    Args:
        channels: Channels c of the embedding.

    >>> SCAdapter(2)(torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2.]])
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # Buffers: fitted here and frozen, nothing that a later optimiser should find.
        self.register_buffer("weight", torch.eye(channels))
        self.register_buffer("bias", torch.zeros(channels))

    def forward(self, x: Float[Tensor, "m c"]) -> Float[Tensor, "m c"]:
        """Map the embeddings of cells.

        Raises:
            InputError: when ``x`` has another number of channels.
        """
        expect(
            x.size(-1) == self.channels,
            f"expected {self.channels} channels, found {x.size(-1)}; use the encoder that it was fitted with.",
        )
        return x @ self.weight.T + self.bias

    @classmethod
    def fit(
        cls,
        cells_x: Float[Tensor, "m c"],
        spots_x: Float[Tensor, "n c"],
        *,
        weights: AdapterWeights | None = None,
        steps: int = 500,
        lr: float = 1e-3,
        seed: int = 0,
    ) -> SCAdapter:
        r"""Match the cells to the spots.

        .. math:: W = C_{st}^{1/2} C_{sc}^{-1/2}, \quad b = \mu_{st} - W \mu_{sc}

        with symmetric roots. Covariances are shrunk towards a multiple of the identity by the Ledoit-Wolf share,
        at least 1 %, so that few cells or dead channels give a finite map that amplifies no direction without bound. Then
        come Adam steps in which CORAL and identity are exact and MMD is the unbiased one of seeded batches of 128 cells and
        128 spots. Whichever of closed form and refined map has the lower objective (over at most 2000 cells and 2000 spots)
        is kept, so that refining never makes it worse.

        Args:
            cells_x: Embeddings of the cells, shape (m, c), at least two that differ.
            spots_x: Embeddings of the training spots, shape (n, c), at least two that differ.
            weights: Weights of the terms; 10, 10, 0.1 if omitted.
            steps: Adam steps; 0 for the closed form alone.
            lr: Step size.
            seed: Seed of the batches and of the sample that the objective is computed on.

        Returns:
            The adapter, float32, in eval mode.

        Raises:
            InputError: for another number of channels, fewer than two rows, values that are not finite or all equal, or
                negative ``steps``.

        Source: Sun, Feng and Saenko, Return of frustratingly easy domain adaptation, 2016; Ledoit and Wolf, A well-conditioned
        estimator for large-dimensional covariance matrices, 2004.
        """
        expect(steps >= 0, f"expected steps >= 0, found {steps}; 0 gives the closed form alone.")
        cells, spots = _checked(cells_x, spots_x)
        generator = torch_stream(seed, "adapter")
        weight = _power(shrunk_covariance(spots), 0.5) @ _power(shrunk_covariance(cells), -0.5)
        best = cls._of(weight, spots.mean(dim=0) - weight @ cells.mean(dim=0))
        if steps > 0:
            terms = weights or AdapterWeights()
            some, some_spots = _draw(cells, SAMPLE, generator), _draw(spots, SAMPLE, generator)
            # One set of kernels for all maps, else they could not be compared.
            widths = median_bandwidths(best.double()(some), some_spots)
            refined = cls._of(*_refine(best, cells, spots, terms, widths, steps, lr, generator))

            def loss(adapter: SCAdapter) -> float:
                return adapter_objective(adapter.double(), some, some_spots, terms, bandwidths=widths).total

            best = min((best, refined), key=loss)
        return best.float().eval()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> SCAdapter:
        """Build the adapter that ``state_dict()`` described."""
        return cls._of(state["weight"], state["bias"]).eval()

    @classmethod
    def _of(cls, weight: Tensor, bias: Tensor) -> SCAdapter:
        adapter = cls(weight.size(0))
        adapter.weight, adapter.bias = weight.detach().clone(), bias.detach().clone()
        return adapter

    def __repr__(self) -> str:
        return f"SCAdapter({self.channels})"


def adapter_objective(
    adapter: Callable[[Tensor], Tensor],
    cells_x: Float[Tensor, "m c"],
    spots_x: Float[Tensor, "n c"],
    weights: AdapterWeights | None = None,
    *,
    bandwidths: tuple[float, ...] | None = None,
) -> AdapterObjective:
    """What an adapter of cells achieves: CORAL, MMD, mean squared movement per channel, and their weighted sum.

    Args:
        adapter: Map of cell embeddings.
        cells_x: Embeddings of cells, shape (m, c), at most a few thousand (the MMD is quadratic).
        spots_x: Embeddings of spots, shape (n, c), likewise.
        weights: Weights of the terms; 10, 10, 0.1 if omitted.
        bandwidths: Kernel widths; the median heuristic for the mapped cells and the spots if omitted.
    """
    weights = weights or AdapterWeights()
    with torch.no_grad():
        mapped = adapter(cells_x)
        terms = (
            float(coral(mapped, spots_x)),
            float(mmd(mapped, spots_x, bandwidths)),
            float((mapped - cells_x).square().mean()),
        )
    return AdapterObjective(*terms, sum(w * term for w, term in zip(weights, terms, strict=True)))


def shrunk_covariance(x: Float[Tensor, "n c"]) -> Float[Tensor, "c c"]:
    r"""Covariance (divided by n) shrunk towards :math:`\mu I` of the same trace, by the Ledoit-Wolf share but at least 1 %.

    .. math:: (1 - a)\, S + a\, \mu I, \quad \mu = \mathrm{tr}(S) / c

    In float64 whatever the input.

    Source: Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004, by scikit-learn. The
    least share is ours: it bounds the inverse root where many cells leave a channel dead.
    """
    import sklearn.covariance  # takes a second to import, and only fitting needs it

    values = x.detach().cpu().double().numpy()
    share = max(float(sklearn.covariance.ledoit_wolf_shrinkage(values)), MIN_SHRINKAGE)
    shrunk = sklearn.covariance.shrunk_covariance(sklearn.covariance.empirical_covariance(values), share)
    return torch.from_numpy(np.asarray(shrunk)).to(x.device)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    value, vector = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vector * value.clamp_min(1e-300) ** exponent) @ vector.T


def _refine(
    start: SCAdapter,
    cells: Tensor,
    spots: Tensor,
    weights: AdapterWeights,
    widths: tuple[float, ...],
    steps: int,
    lr: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Adam on weight and bias. CORAL and identity follow from moments, so only the MMD is of batches."""
    weight, bias = start.weight.clone().requires_grad_(), start.bias.clone().requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=lr)
    mean, spread, goal = cells.mean(dim=0), covariance(cells), covariance(spots)
    c = cells.size(1)
    for _ in range(steps):
        batch, others = _draw(cells, BATCH, generator), _draw(spots, BATCH, generator)
        change = weight - torch.eye(c, dtype=weight.dtype, device=weight.device)
        identity = ((change @ spread) * change).sum() + (change @ mean + bias).square().sum()
        loss = (
            weights.coral * (weight @ spread @ weight.T - goal).square().sum() / (4 * c**2)
            + weights.mmd * mmd(batch @ weight.T + bias, others, widths, unbiased=True)
            + weights.identity * identity / c
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight, bias


def _draw(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return x if len(x) <= count else x[torch.randperm(len(x), generator=generator)[:count]]


def _checked(cells: Tensor, spots: Tensor) -> tuple[Tensor, Tensor]:
    expect(
        cells.dim() == 2 and spots.dim() == 2 and cells.size(1) == spots.size(1),
        f"expected cells and spots with the same channels, found shapes {tuple(cells.shape)} and "
        f"{tuple(spots.shape)}; embed both with one encoder.",
    )
    check_finite(cells=cells, spots=spots)
    for name, x in (("cells", cells), ("spots", spots)):
        expect(
            len(x) >= 2 and bool((x != x[:1]).any()),
            f"expected at least two {name} that differ, found {len(x)} without any difference; pass more.",
        )
    return cells.detach().double(), spots.detach().double()
