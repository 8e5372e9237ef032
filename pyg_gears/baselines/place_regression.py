"""From an embedding to places, by one regression per slide whose layouts are averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.baselines.rivals import RegressionOutput, consensus, knn
from pyg_gears.errors import expect, nearest_name
from pyg_gears.metrics.layout_pair import in_gauge
from pyg_gears.seeds import check_seed, random_stream

KINDS = ("knn", "kernel_ridge")
PENALTY = 1.0
WIDTH = 0.15
"""Inverse of twice the squared width of the kernel, per channel of unit mean square."""
MAX_SPOTS = 4000
"""Spots of a slide that the kernel ridge keeps: it costs their cube in time and their square in memory."""
CHUNK = 2**24
"""Entries of the kernel held at a time: 128 MB."""


@dataclass(frozen=True, eq=False)
class PlaceRegression:
    r"""Regressions of places on an embedding, one per slide, since the frames of slides are unrelated.

    ``knn`` is the mean place of the 20 spots of largest cosine. ``kernel_ridge`` is

    .. math:: \hat y(x) = k(x)^T (K + \lambda I)^{-1} Y, \quad k_j(x) = \exp(-w \|x - x_j\|^2 / c)

    with penalty 1 and w = 0.15, for channels of unit mean square over the spots. The layouts of the slides are brought together
    by similarity Procrustes (mirrors allowed) onto that of the first, and averaged.

    Attributes:
        kind: "knn" or "kernel_ridge".
        x: Embedding of the spots of each slide, shape (m, c), float32.
        pos: Their places in the slide's gauge, shape (m, 2), float32.
    """

    kind: Literal["knn", "kernel_ridge"]
    x: tuple[Float[torch.Tensor, "m c"], ...]
    pos: tuple[Float[torch.Tensor, "m 2"], ...]

    @classmethod
    def fit(
        cls,
        kind: Literal["knn", "kernel_ridge"],
        slides: Sequence[tuple[Float[torch.Tensor, "m c"], Float[torch.Tensor, "m 2"]]],
        *,
        seed: int = 0,
    ) -> PlaceRegression:
        """Keep what the regressions need.

        Args:
            kind: "knn" or "kernel_ridge".
            slides: Embedding (m, c) and coordinates (m, 2), in any unit, of each slide.
            seed: Draws the 4000 spots of a larger slide that a kernel ridge keeps.

        Raises:
            InputError: for another kind, without a slide, or for a seed that is no whole number of at least 0.
        """
        check_seed(seed)
        expect(
            kind in KINDS,
            f"expected a kind among {', '.join(KINDS)}, found {kind!r}{nearest_name(kind, KINDS)}; name one.",
        )
        expect(len(slides) > 0, "expected at least one slide to regress on, found none; pass slides with places.")
        x, pos = [], []
        for number, (embedding, place) in enumerate(slides):
            kept = np.arange(len(embedding))
            if kind == "kernel_ridge" and len(kept) > MAX_SPOTS:
                kept = np.sort(random_stream(seed, "regression spots", number).permutation(len(kept))[:MAX_SPOTS])
            x.append(embedding[kept].float())
            pos.append(torch.from_numpy(in_gauge(place.double().numpy())[kept]).float())
        return cls(kind, tuple(x), tuple(pos))

    def layout(self, x: Float[torch.Tensor, "n c"]) -> Float[np.ndarray, "n 2"]:
        """Places of cells.

        Args:
            x: Embedding of the cells, shape (n, c).

        Returns:
            Coordinates in the gauge, float64, shape (n, 2). Time n times the spots; memory does not grow with their product.
        """
        return consensus([RegressionOutput(layout, 1.0) for layout in self.places(x)])

    def places(self, x: Float[torch.Tensor, "n c"]) -> list[Float[np.ndarray, "n 2"]]:
        """Places of cells on each slide, in the gauge of that slide, shape (n, 2) each."""
        query = x.double().numpy()
        return [predict(query) for predict in self._fitted]

    @cached_property
    def _fitted(self) -> tuple[Callable[[np.ndarray], np.ndarray], ...]:
        """From an embedding to places on each slide: fitted when first asked, and kept as long as the object."""
        fit = _nearest if self.kind == "knn" else _kernel_ridge
        return tuple(fit(own.double().numpy(), pos.double().numpy()) for own, pos in zip(self.x, self.pos, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors for :meth:`from_state_dict`."""
        return {"kind": self.kind, "x": list(self.x), "pos": list(self.pos)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> PlaceRegression:
        """The regressions that :meth:`state_dict` described."""
        return cls(state["kind"], tuple(state["x"]), tuple(state["pos"]))


def _nearest(x: np.ndarray, pos: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    regression = knn(len(x)).fit(_directions(x), pos)
    return partial(_predict_nearest, regression)


def _predict_nearest(regression: Any, query: np.ndarray) -> np.ndarray:
    return np.asarray(regression.predict(_directions(query)))


def _directions(x: np.ndarray) -> np.ndarray:
    """Rows of length one: their nearest by distance are those of largest cosine."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _kernel_ridge(x: np.ndarray, pos: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.kernel_ridge import KernelRidge

    unit = max(float(np.sqrt((x**2).mean())), 1e-12)
    regression = KernelRidge(alpha=PENALTY, kernel="rbf", gamma=WIDTH / x.shape[1]).fit(x / unit, pos)
    return partial(_predict_kernel_ridge, regression, unit, max(CHUNK // len(x), 1))


def _predict_kernel_ridge(regression: Any, unit: float, step: int, query: np.ndarray) -> np.ndarray:
    return np.concatenate([regression.predict(query[i : i + step] / unit) for i in range(0, len(query), step)])
