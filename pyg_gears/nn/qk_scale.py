"""How queries and keys are brought to a scale before their product."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import layer_norm

from pyg_gears.errors import expect
from pyg_gears.typing import QKMode

QK_MODES: tuple[QKMode, ...] = ("none", "plain", "divided", "published", "learned")

FIXED_RANGE = (0.5, 4.0)
MAX_TAU = 10.0
TAU_RANGE = (0.5, MAX_TAU)


def qk_scale(
    query: Float[Tensor, "n h d"], key: Float[Tensor, "n h d"], mode: QKMode, tau: Tensor | None
) -> tuple[Float[Tensor, "n h d"], Float[Tensor, "n h d"]]:
    r"""Scale queries and keys, so that their product is the logit.

    * ``plain``: :math:`q \cdot k / \sqrt d`;
    * ``published``, ``learned``: :math:`\tau \, \mathrm{LN}(q) \cdot \mathrm{LN}(k)`;
    * ``divided``: :math:`\tau \, \mathrm{LN}(q) \cdot \mathrm{LN}(k) / \sqrt d`, weaker by :math:`\sqrt d`.

    The norms have no learned gain, which would be a free temperature.

    Args:
        query: Queries, shape (n, h, d).
        key: Keys, shape (n, h, d).
        mode: "plain", "divided", "published" or "learned".
        tau: Temperature, 0-d or one per head (h,); read where q and k are normalised.

    Returns:
        Both, scaled; the whole temperature is in the queries.
    """
    width = query.size(-1)
    if mode == "plain":
        return query / width**0.5, key
    assert tau is not None
    query, key = (layer_norm(part, (width,)) for part in (query, key))
    factor = tau / width**0.5 if mode == "divided" else tau
    return query * factor.view(-1, 1), key


def starting_tau(
    mode: QKMode, channels: int, tau: float | None, tau_range: tuple[float, float] | None = None
) -> float | None:
    r"""The temperature that a layer starts with, checked; None where there is none.

    Args:
        mode: How q and k are scaled.
        channels: Channels d per head.
        tau: The value asked for; by default 1, or :math:`\sqrt d` where it is learned.
        tau_range: Lowest and highest value of a learned one, 0.5 and 10 if omitted.

    Raises:
        InputError: for an unknown mode, a value out of range, or one that would have no effect.
    """
    expect(mode in QK_MODES, f"expected qk among {', '.join(QK_MODES)}, found {mode!r}; name one of them.")
    expect(
        mode == "learned" or tau_range is None,
        f"expected no tau_range with qk={mode!r}, found {tau_range}; only a learned temperature has one.",
    )
    if mode in ("none", "plain"):
        expect(
            tau is None, f"expected no tau with qk={mode!r}, found {tau}; only normalised q and k have a temperature."
        )
        return None
    low, high = (tau_range or TAU_RANGE) if mode == "learned" else FIXED_RANGE
    expect(
        0 < low <= high <= MAX_TAU,
        f"expected 0 < lowest <= highest <= {MAX_TAU:g} in tau_range, found {tau_range}; narrow it.",
    )
    start = tau if tau is not None else math.sqrt(channels) if mode == "learned" else 1.0
    expect(
        low <= start <= high, f"expected tau in [{low:g}, {high:g}], found {start:g}; outside it attention saturates."
    )
    return start
