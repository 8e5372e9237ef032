"""The embedding of cells to lay out: with neighbours where they are shallow, adapted where that is asked for or needed."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import Slide
from pyg_gears.encoders import DomainGap, EmbeddingOutput, Encoder, SCAdapter, domain_gap
from pyg_gears.errors import expect, nearest_name

ADAPTATIONS = ("auto", "none", "match")
MIN_CELLS = 100
SHALLOW = 0.5


class EmbeddedQuery(NamedTuple):
    """Cells as the encoder gives them.

    Attributes:
        embedded: Embedding and features.
        gap: How far the features lie from those of the training spots.
        borrowed: Whether the features are averaged with those of neighbours.
    """

    embedded: EmbeddingOutput
    gap: DomainGap
    borrowed: bool


def embed_query(
    encoder: Encoder, cells: Slide, spots: Float[Tensor, "m f"], *, depth_ratio: float, seed: int = 0
) -> EmbeddedQuery:
    """Embed cells; shallow ones with their neighbours where that brings them nearer to the training spots.

    A shallow cell is noisy, and its neighbours carry the same signal; but where noise is not what sets the cells apart, averaging
    takes away what the cells have. The MMD between cells and spots tells the two apart. Spearman / Trust@20 of a layout without
    and with borrowing (quick, seed 0): eight halves of osmFISH, whose MMD it lowers, 0.307 / 0.665 and 0.307 / 0.675; six STARmap
    prefrontal pairs of spots and cells, whose MMD it raises, 0.354 / 0.657 and 0.321 / 0.653. These queries chose the rule.

    Args:
        encoder: Embeds, and lends to shallow cells, see :meth:`~pyg_gears.encoders.Encoder.borrow`.
        cells: The cells.
        spots: Features of the training spots, shape (m, f).
        depth_ratio: Median count of a cell over that of a training spot, in the genes of the model.
        seed: Seed of the sample from which the MMD is computed.

    Returns:
        The embedding, its gap, and whether it is the borrowed one.
    """
    plain = encoder.embed(cells)
    lent = encoder.borrow(plain, depth_ratio)
    gap = domain_gap(plain.features, spots, seed=seed)
    if lent is plain:
        return EmbeddedQuery(plain, gap, False)
    nearer = domain_gap(lent.features, spots, seed=seed)
    return EmbeddedQuery(lent, nearer, True) if nearer.mmd < gap.mmd else EmbeddedQuery(plain, gap, False)


class AdaptedQuery(NamedTuple):
    """Embedding of the cells, as the structure model takes it.

    Attributes:
        x: Embedding, adapted if ``adapted``, shape (n, c).
        adapted: Whether an adapter was applied.
    """

    x: Float[Tensor, "n c"]
    adapted: bool


def adapt_query(
    x: Float[Tensor, "n c"],
    spots: Float[Tensor, "m c"],
    gap: DomainGap,
    adapter: SCAdapter | None,
    *,
    depth_ratio: float,
    adapt: str = "auto",
    seed: int = 0,
) -> AdaptedQuery:
    """Match cells to the training spots where they differ from these by their depth alone, and warn of cells that lie far off.

    An adapter gives the cells the covariance of the spots. That is right for the same mixture of cells with more noise, and
    wrong for another mixture, which is most of what makes cells lie far off. "auto" therefore matches cells with less than
    half of the spots' counts and a covariance within 0.45, and no others. Mean Spearman without an adapter and with a new one
    (quick, seed 0): STARmap prefrontal, five pairs of spots and cells that the rule adapts, 0.330 and 0.351; the pair that it
    does not, 0.370 and 0.374; eight halves of osmFISH 0.307 and 0.292; ten tumours of other patients 0.308 and 0.183; fifteen
    sections of the same assay 0.631 and 0.609.

    Args:
        x: Embedding of the cells as the encoder gives it, shape (n, c).
        spots: Embeddings of the training spots, shape (m, c); they stay as they are.
        gap: How far the cells lie from the training spots; fewer than 100 cells are never far.
        adapter: The adapter fitted with the model, if any.
        depth_ratio: Median count of a cell over that of a training spot, in the genes of the model.
        adapt: "auto", "none", or "match" (a new adapter, fitted to these cells).
        seed: Seed of a new adapter.

    Returns:
        The embedding, and whether it was adapted.

    Raises:
        InputError: for another ``adapt``.
    """
    expect(
        adapt in ADAPTATIONS,
        f"expected adapt among {', '.join(ADAPTATIONS)}, found {adapt!r}{nearest_name(adapt, ADAPTATIONS)}; name one.",
    )
    enough = len(x) >= MIN_CELLS
    if adapt == "auto" and enough and depth_ratio < SHALLOW and gap.near:
        return AdaptedQuery((adapter or SCAdapter.fit(x, spots, seed=seed))(x), True)
    if adapt == "match":
        return AdaptedQuery(SCAdapter.fit(x, spots, seed=seed)(x), True)
    if enough and gap.far:
        warnings.warn(
            f"these cells lie far from the training spots (covariance {gap.covariance:.2f}, MMD {gap.mmd:.3f}): expect little "
            "of the layout; slides of the same tissue, patient and platform would help.",
            stacklevel=3,
        )
    return AdaptedQuery(x, False)
