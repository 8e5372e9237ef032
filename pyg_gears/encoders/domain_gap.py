"""How far the embeddings of cells lie from those of the training spots, in three numbers and one verdict."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.encoders.domain_distances import check_domains, coral, mmd
from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.seeds import torch_stream

SAMPLE = 1000
AXES = 16
FAR_COVARIANCE = 0.75
FAR_MMD = 0.08
NEAR_COVARIANCE = 0.45


class DomainGap(NamedTuple):
    """How far cells lie from the training spots along the spots' 16 leading axes, on any scale of the features.

    Attributes:
        coral: :func:`coral` over the root mean square of the spots, at least 0.
        mmd: Squared :func:`mmd`, unbiased: about 0 for the same distribution, at most 2.
        covariance: :func:`covariance_difference`: about 0 for the same covariance, 1 for cells without any variance.
    """

    coral: float
    mmd: float
    covariance: float

    @property
    def far(self) -> bool:
        """Whether the cells are farther off than other sections of a tissue are: covariance above 0.75 or MMD above 0.08.

        With 20 or 40 smooth components of brain and tumour sections, unseen sections of the tissue reached 0.60 (MMD 0.023),
        single and dissociated cells of it 0.73 (0.058); cells with permuted genes began at 0.79 (0.032), another tissue at
        0.80 (0.022), but for olfactory bulb against four sections of hippocampus: 0.66. Tumours of other patients lie on
        both sides.
        """
        return self.covariance > FAR_COVARIANCE or self.mmd > FAR_MMD

    @property
    def near(self) -> bool:
        """Whether the cells are the same mixture as the training spots, as far as their covariance tells: within 0.45, not far.

        The slides are then the best guide, even where they say little: an adapter may match shallow cells
        (:func:`~pyg_gears.layout.adapt_query`), and near neighbours are refined at the full pull of the layout
        (:func:`~pyg_gears.layout.refine_neighbors`). Sections of one tissue reached 0.05 to 0.61, tumours of other patients
        0.50 to 1.03.
        """
        return self.covariance < NEAR_COVARIANCE and not self.far


def domain_gap(cells_x: Float[Tensor, "m c"], spots_x: Float[Tensor, "n c"], seed: int = 0) -> DomainGap:
    """Compare the features of cells and of training spots, before any adapter.

    Give it what the encoder's networks read. An adapter that was fitted on the same cells closes the gap of any data, foreign
    or not. Both are projected on the 16 leading principal axes of the spots first: every further axis adds noise, and the
    distances depend on the number of axes, so that one verdict could not hold for encoders of different widths.

    Args:
        cells_x: Features of the cells, shape (m, c), finite.
        spots_x: Features of the training spots, shape (n, c), finite, not all equal.
        seed: Seed of the sample (at most 1000 of each) from which axes and MMD are computed.

    Returns:
        The numbers.

    Raises:
        InputError: for another number of channels, fewer than two rows, values that are not finite, or equal spots.
    """
    check_finite(cells_x=cells_x, spots_x=spots_x)
    check_domains(cells_x, spots_x)
    expect(
        bool((spots_x != spots_x[:1]).any()),
        "expected spots that differ, found none that do; pass more spots.",
    )
    cells, spots = cells_x.detach().cpu(), spots_x.detach().cpu()
    generator = torch_stream(seed, "domain gap")
    few_cells, few_spots = (torch.randperm(len(x), generator=generator)[:SAMPLE] for x in (cells, spots))
    centre = spots.mean(dim=0)
    axes = torch.linalg.svd(spots[few_spots].double() - centre, full_matrices=False).Vh[:AXES].T
    cells, spots = (((x - centre) @ axes.to(x)).double() for x in (cells, spots))
    scale = spots.square().mean().sqrt()
    cells, spots = cells / scale, spots / scale
    discrepancy = mmd(cells[few_cells], spots[few_spots], unbiased=True)
    return DomainGap(float(coral(cells, spots)), float(discrepancy), covariance_difference(cells, spots))


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
