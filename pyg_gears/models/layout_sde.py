"""Layout dynamics: a drift and a noise that fades, whose energy has to fall on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import linear_stress
from pyg_gears.losses.multiscale_stress import log_stress_per_graph
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.moving_model import MovingModel, downhill, misalignment
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms

FIRST_SCALE = 0.2


class LayoutSDE(MovingModel):
    r"""Coordinates by a stochastic differential equation in T steps.

    .. math::
        x_{t+1} = \mathrm{gauge}\big(x_t + \tfrac1T \mu(x_t, h, \tfrac tT) + \tfrac{1}{\sqrt T} \sigma_t \xi_t\big), \quad
        \sigma_t = \nu\, (1 - \tfrac tT)^b\, \mathrm{softplus}(a)

    Here :math:`\nu` is the scale of the noise, and a is learned. T may be another at inference.

    Its own terms: the Lyapunov hinge :math:`\mathrm{mean}_t \max(0, E_{t+1} - E_t + \gamma E_t / T)` on the log stress, the
    stress at T/4, T/2 and 3T/4 and that of the first guess, and the alignment of the drift with minus the gradient at one state
    drawn anew.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of states and messages.
        steps: Steps T in training.
        inference_steps: Steps T in evaluation mode.
        neighbors: Candidates that a node moves along.
        landmarks: Nodes of each graph that all nodes move along.
        noise: Scale of the noise in training and in further samples; 0 in evaluation unless asked for.
        fading: The power b.
        descent: The share gamma by which the energy should fall over the whole way.
        lyapunov: Weight of the hinge.
        checkpoints: Weight of the mean stress at the three checkpoints.
        first: Weight of the stress of the first guess.
        align: Weight of the alignment.

    Raises:
        InputError: for fewer than four steps (a quarter of the way must be one), and as :class:`MovingModel`.

    Source: Euler-Maruyama with a learned drift; the hinge after Kolter and Manek, Learning stable deep dynamics models (2019).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        steps: int = 8,
        inference_steps: int = 20,
        neighbors: int = 24,
        landmarks: int = 8,
        noise: float = 1.0,
        fading: float = 1.0,
        descent: float = 0.5,
        lyapunov: float = 0.1,
        checkpoints: float = 1.0,
        first: float = 1.0,
        align: float = 0.1,
    ) -> None:
        super().__init__(in_channels, hidden_channels, neighbors, landmarks, noise)
        expect(
            min(steps, inference_steps) >= 4,
            f"expected four or more steps, found {min(steps, inference_steps)}; a quarter of the way must be one.",
        )
        self.steps, self.inference_steps, self.fading, self.descent = steps, inference_steps, fading, descent
        self.weights = {"lyapunov": lyapunov, "checkpoints": checkpoints, "first_stress": first, "align": align}
        self.raw_scale = Parameter(torch.empty(()))
        self._set_scale()

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        super().reset_parameters()
        self._set_scale()

    def _set_scale(self) -> None:
        torch.nn.init.constant_(self.raw_scale, math.log(math.expm1(FIRST_SCALE)))

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Tensor | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
        steps: int | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`.

        Args:
            batch: As in :meth:`StructureModel.forward`.
            edge_index: As in :meth:`StructureModel.forward`.
            noise: As in :meth:`StructureModel.forward`.
            generator: As in :meth:`StructureModel.forward`.
            steps: Steps T of this call, at least 1; by default the model's, of training or of inference.

        Returns:
            The state after every step; h as ``state``.

        Raises:
            InputError: for fewer than one step.
        """
        scale = self.noise_scale(noise)
        count = (self.steps if self.training else self.inference_steps) if steps is None else steps
        expect(count >= 1, f"expected at least one step, found {count}; ask for one or more.")
        given = self._begin(batch, edge_index, 0.0, generator)
        pos, coordinates = given.pos, [given.pos]
        with torch.autocast(pos.device.type, enabled=False):
            for step in range(count):
                fade = scale * (1 - step / count) ** self.fading / count**0.5
                shaken = initial_noise(pos, fade, generator) * torch.nn.functional.softplus(self.raw_scale)
                pos = pos + self._velocity(given, pos, step / count) / count + shaken
                pos = gauge_fix(pos, given.batch, given.num_graphs)
                coordinates.append(pos)
        return StructureOutput(given.edges, tuple(coordinates), state=given.state)

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Lyapunov hinge, stress at checkpoints and of the first guess, alignment; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no stress target.
        """
        count = len(output.trajectory)
        drawn = int(torch.randint(count, (1,), generator=generator, device="cpu"))
        place = output.coordinates[drawn].detach()
        given = self._again(output, batch)
        terms = {
            "lyapunov": lambda: self._rises(output, batch),
            "checkpoints": lambda: torch.stack(
                [linear_stress(output.coordinates[quarter * count // 4], batch) for quarter in (1, 2, 3)]
            ).mean(),
            "first_stress": lambda: linear_stress(output.initial, batch),
            "align": lambda: misalignment(
                self._velocity(given, place, drawn / count), downhill(place, batch), given.batch, given.num_graphs
            ),
        }
        return weighted_terms(self.weights, terms)

    def _rises(self, output: StructureOutput, batch: Any) -> Float[Tensor, ""]:
        energy = torch.stack([log_stress_per_graph(pos, batch) for pos in output.coordinates])
        wanted = self.descent * energy[:-1].detach() / (len(energy) - 1)
        return (energy[1:] - energy[:-1] + wanted).relu().mean()
