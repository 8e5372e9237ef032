"""How far the embeddings of cells lie from those of the training spots, in three numbers and one verdict."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.encoders.domain_distances import coral, mmd
from pyg_gears.errors import expect

SAMPLE = 1000
FAR_COVARIANCE = 0.78
FAR_MMD = 0.06


class DomainGap(NamedTuple):
    """How far cells lie from the training spots in the embedding; no number depends on the embedding's scale.

    Attributes:
        coral: :func:`coral` of the embeddings over the root mean square of the spots, at least 0.
        mmd: Squared :func:`mmd`, unbiased: about 0 for the same distribution, at most 2.
        covariance: :func:`covariance_difference`: about 0 for the same covariance, 1 for cells without any variance.
    """

    coral: float
    mmd: float
    covariance: float

    @property
    def far(self) -> bool:
        """Whether the cells are farther off than other sections of a tissue are: covariance above 0.78 or MMD above 0.06.

        With 20 smooth components of a centred PCA, unseen sections and single or dissociated cells of the same tissue
        reached 0.73 and 0.042; another tissue began at 0.81 (and 0.030), permuted genes at 0.80 (and 0.044). Tumours of
        other patients lie on both sides.
        """
        return self.covariance > FAR_COVARIANCE or self.mmd > FAR_MMD


def domain_gap(cells_x: Float[Tensor, "m c"], spots_x: Float[Tensor, "n c"], seed: int = 0) -> DomainGap:
    """Compare the embeddings of cells and of training spots, before any adapter.

    Give it what the encoder returns. An adapter that was fitted on the same cells closes the gap of any data, foreign or not.

    Args:
        cells_x: Embeddings of the cells, shape (m, c), finite.
        spots_x: Embeddings of the training spots, shape (n, c), finite, not all equal.
        seed: Seed of the sample (at most 1000 of each).

    Returns:
        The numbers.

    Raises:
        InputError: for another number of channels, fewer than two rows, values that are not finite, or equal spots.
    """
    expect(
        bool(torch.isfinite(cells_x).all() and torch.isfinite(spots_x).all()),
        "domain_gap expected finite embeddings, found NaN or infinite values; drop those cells or spots.",
    )
    generator = torch.Generator().manual_seed(seed)
    cells, spots = (
        x.detach().cpu().double()[torch.randperm(len(x), generator=generator)[:SAMPLE]] for x in (cells_x, spots_x)
    )
    expect(
        bool((spots != spots[:1]).any()), "domain_gap expected spots that differ, found none that do; pass more spots."
    )
    scale = spots.square().mean().sqrt()
    cells, spots = cells / scale, spots / scale
    distances = float(coral(cells, spots)), float(mmd(cells, spots, unbiased=True)), covariance_difference(cells, spots)
    return DomainGap(*distances)


def covariance_difference(x: Float[Tensor, "n c"], y: Float[Tensor, "m c"]) -> float:
    r"""Distance of covariances in units of that of y, without what sampling alone would make of it.

    .. math:: \sqrt{\max\left(0, \frac{\|S_x - S_y\|_F^2 - e_x - e_y}{\|S_y\|_F^2 - e_y}\right)}, \quad
        e_x = \frac{1}{n^2} \sum_i \|x_i x_i^T - S_x\|_F^2

    with x and y centred. Without the corrections thirty cells of the same tissue look as far off as foreign ones.

    Args:
        x: Embeddings, shape (n, c).
        y: Embeddings, shape (m, c), not all equal.

    Source: the sampling error :math:`e` is that of Ledoit and Wolf, 2004.
    """
    (first, error_x), (second, error_y) = _moments(x), _moments(y)
    own = second.square().sum()
    # Few spots in many channels: the correction may eat all of the norm, so half of it stays.
    base = torch.maximum(own - error_y, own / 2)
    return float(((first - second).square().sum() - error_x - error_y).clamp_min(0).div(base).sqrt())


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Covariance (divided by n) and the expected squared error of it."""
    x = x.double() - x.double().mean(dim=0)
    sample = x.T @ x / len(x)
    return sample, (x.square().sum(dim=1).square().mean() - sample.square().sum()) / len(x)
