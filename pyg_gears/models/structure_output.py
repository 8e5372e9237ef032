"""What a structure model proposes for a batch of graphs."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.nn import AttentionTerms


@dataclass(frozen=True)
class StructureOutput:
    """Geometry that a structure model proposes, and how it came about.

    What a model does not generate is empty or None; see :attr:`StructureModel.generates`.

    Attributes:
        edge_index: Edges that messages travelled on, shape (2, e); the rows of everything per edge are its columns.
        coordinates: Coordinates in the order of their making, shape (n, 2) each, gauge-fixed per graph: the initial
            guess first, the result last. Empty where a model generates none.
        operator: Transition probability of each edge, shape (e,); those that enter a node sum to one.
        distances: Distance along each edge, shape (e,), >= 0.
        log_variance: Logarithm s of the variance of the *logarithm* of each of these distances, shape (e,): exp(-s) is what a
            distance counts in a stitching. None where a model is not asked how sure it is.
        spectrum: Largest eigenvalues of each graph's operator, falling, shape (b, k), where a layout is made of them.
        node_log_variance: Half the log-determinant of each node's 2 x 2 covariance, shape (n,), where a model places nodes by
            distributions.
        state: Node states at the end, shape (n, c_s).
        gate_logits: Gate of each edge used, shape (e,) or (e, h); None where no gate was used.
        terms: Attention terms of each round, where asked for.
        latent: Coordinates in more than two dimensions that the layout was drawn from, shape (n, d), where a model has them, in
            a unit of the model's own (``scales=model``).
        code: Values of the nodes that a model's own loss terms read beside the rest, shape (n, z).
    """

    edge_index: Int[Tensor, "2 e"]
    coordinates: tuple[Float[Tensor, "n 2"], ...] = ()
    operator: Float[Tensor, " e"] | None = None
    distances: Float[Tensor, " e"] | None = None
    log_variance: Float[Tensor, " e"] | None = None
    spectrum: Float[Tensor, "b k"] | None = None
    node_log_variance: Float[Tensor, " n"] | None = None
    state: Float[Tensor, "n c"] | None = None
    gate_logits: Float[Tensor, "e ..."] | None = None
    terms: tuple[AttentionTerms, ...] | None = None
    latent: Float[Tensor, "n d"] | None = None
    code: Float[Tensor, "n z"] | None = None

    @property
    def pos(self) -> Float[Tensor, "n 2"]:
        """The coordinates proposed, shape (n, 2).

        Raises:
            InputError: when the model generates no coordinates.
        """
        return self._made()[-1]

    @property
    def initial(self) -> Float[Tensor, "n 2"]:
        """Coordinates before the first round, shape (n, 2).

        Raises:
            InputError: when the model generates no coordinates.
        """
        return self._made()[0]

    @property
    def trajectory(self) -> tuple[Float[Tensor, "n 2"], ...]:
        """Coordinates after each round, the last of them ``pos``; empty without rounds."""
        return self.coordinates[1:]

    def _made(self) -> tuple[Tensor, ...]:
        expect(
            len(self.coordinates) > 0,
            "expected coordinates, found the output of a model that generates none; decode its operator or distances.",
        )
        return self.coordinates
