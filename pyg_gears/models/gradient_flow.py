"""A learned flow from the first guess to the layout, taught to run downhill."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.losses.multiscale_stress import log_stress_per_graph
from pyg_gears.models.moving_model import Moving, MovingModel, downhill, misalignment
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms

Solver = Literal["euler", "heun", "rk4"]
SOLVERS: tuple[Solver, ...] = ("euler", "heun", "rk4")


class GradientFlow(MovingModel):
    r"""Coordinates by an ordinary differential equation.

    .. math:: \dot x = \mu(x, h, t), \quad t \in [0, 1], \quad x(0) = \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise})

    It is solved with a few steps of fixed length. Turning or mirroring x(0) turns or mirrors the result.

    Its own terms: ``1 - cos`` of the velocity and minus the gradient of the stress at one state of the trajectory, drawn anew in
    each step (the mean over all of them in expectation); what the log stress rises from one state to the next; and the mean
    squared velocity.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of states and messages.
        steps: Steps of the solver.
        solver: "euler" (one velocity a step), "heun" (two) or "rk4" (four).
        neighbors: Candidates that a node moves along.
        landmarks: Nodes of each graph that all nodes move along.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        align: Weight of the alignment with the gradient.
        monotone: Weight of the rises.
        velocity: Weight of the squared velocity.

    Raises:
        InputError: for fewer than one step, an unknown solver, and as :class:`MovingModel`.

    Source: after Chen et al., Neural ordinary differential equations (2018). The solver is ours: fixed steps are ten lines, give
    the same layout on every machine, and an adaptive one (torchdiffeq) would make cost and gradient depend on a tolerance.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        steps: int = 4,
        solver: Solver = "heun",
        neighbors: int = 24,
        landmarks: int = 8,
        noise: float = 0.05,
        align: float = 0.1,
        monotone: float = 0.1,
        velocity: float = 0.001,
    ) -> None:
        super().__init__(in_channels, hidden_channels, neighbors, landmarks, noise)
        expect(steps >= 1, f"expected at least one step, found {steps}; ask for one or more.")
        expect(solver in SOLVERS, f"expected a solver among {', '.join(SOLVERS)}, found {solver!r}; name one of them.")
        self.steps, self.solver = steps, solver
        self.weights = {"align": align, "monotone": monotone, "velocity": velocity}

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Tensor | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`.

        Returns:
            The state after every step, each in the gauge; h as ``state``.
        """
        std = self.noise_scale(noise)
        given = self._begin(batch, edge_index, std, generator)
        pos, coordinates = given.pos, [given.pos]
        with torch.autocast(pos.device.type, enabled=False):
            for step in range(self.steps):
                pos = self._advance(given, pos, step / self.steps, 1 / self.steps)
                coordinates.append(gauge_fix(pos, given.batch, given.num_graphs))
        return StructureOutput(given.edges, tuple(coordinates), state=given.state)

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Alignment, rises and squared velocity; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no stress target.
        """
        drawn = int(torch.randint(self.steps, (1,), generator=generator, device="cpu"))
        given = self._again(output, batch)
        place = output.coordinates[drawn].detach()
        speed = self._velocity(given, place, drawn / self.steps)
        wanted = downhill(place, batch)

        def rises() -> Tensor:
            energies = [log_stress_per_graph(pos, batch) for pos in output.coordinates]
            each = [(b - a).relu() for a, b in pairwise(energies)]
            return torch.stack(each).sum(dim=0).mean()

        terms = {
            "align": lambda: misalignment(speed, wanted, given.batch, given.num_graphs),
            "monotone": rises,
            "velocity": lambda: at_least_one(speed.square().sum(dim=1)).mean(),
        }
        return weighted_terms(self.weights, terms)

    def _advance(self, given: Moving, pos: Float[Tensor, "n 2"], time: float, step: float) -> Float[Tensor, "n 2"]:
        """One step of the solver."""
        first = self._velocity(given, pos, time)
        if self.solver == "euler":
            return pos + step * first
        if self.solver == "heun":
            return pos + 0.5 * step * (first + self._velocity(given, pos + step * first, time + step))
        second = self._velocity(given, pos + 0.5 * step * first, time + 0.5 * step)
        third = self._velocity(given, pos + 0.5 * step * second, time + 0.5 * step)
        last = self._velocity(given, pos + step * third, time + step)
        return pos + step / 6 * (first + 2 * second + 2 * third + last)
