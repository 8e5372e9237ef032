"""The trainable part of an expression encoder: a perceptron, with or without a linear map around it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pyg_gears.encoders.seeded_linear import seeded_linear


class ExpressionNetwork(nn.Module):
    r"""Features in, embedding out.

    .. math:: h = A f + \mathrm{MLP}(f)

    With ``residual``, A starts as the identity on the first channels and the perceptron's last layer at zero, so that
    training starts from the features themselves. Without it h = MLP(f), the plain encoder.

    Args:
        in_channels: Channels of the features.
        out_channels: Channels of the embedding; with ``residual`` at most ``in_channels`` start as features.
        hidden: Widths of the perceptron's hidden layers; may be empty.
        residual: Whether a linear map is added to the perceptron.
        generator: Source of the first weights, on the CPU; the global one if omitted.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: Sequence[int] = (64,),
        *,
        residual: bool,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.linear = None
        if residual:
            self.linear = seeded_linear(in_channels, out_channels, bias=False, generator=generator)
        self.mlp: nn.Sequential | None = None
        if hidden or not residual:
            widths = [in_channels, *hidden]
            layers: list[nn.Module] = []
            for width, after in itertools.pairwise(widths):
                layers += [seeded_linear(width, after, generator=generator), nn.GELU()]
            last = seeded_linear(widths[-1], out_channels, generator=generator)
            self.mlp = nn.Sequential(*layers, last)
        with torch.no_grad():
            if self.linear is not None:
                self.linear.weight.copy_(torch.eye(out_channels, in_channels))
                if self.mlp is not None:
                    last.weight.zero_()
                    last.bias.zero_()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> ExpressionNetwork:
        """The network whose ``state_dict()`` this is; its widths are those of the weights."""
        linear = state.get("linear.weight")
        layers = [value for name, value in state.items() if name.startswith("mlp.") and name.endswith("weight")]
        first, last = (linear, linear) if linear is not None else (layers[0], layers[-1])
        hidden = [layer.size(0) for layer in layers[:-1]]
        # Their own source, so that weights which are overwritten anyway cost the caller no random number.
        network = cls(first.size(1), last.size(0), hidden, residual=linear is not None, generator=torch.Generator())
        network.load_state_dict(dict(state))
        return network

    def forward(self, x: Float[Tensor, "n f"]) -> Float[Tensor, "n c"]:
        """Embed features (n, f) as (n, c)."""
        parts = [part(x) for part in (self.linear, self.mlp) if part is not None]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]
