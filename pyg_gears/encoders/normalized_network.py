"""A perceptron with normalised layers: the network of the published encoder, and its adversary."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pyg_gears.encoders.seeded_dropout import seeded_dropout
from pyg_gears.encoders.seeded_linear import seeded_linear


class NormalizedNetwork(nn.Module):
    r"""Linear layers, each but the last followed by LayerNorm, ReLU and dropout.

    .. math:: h_{l+1} = \mathrm{dropout}(\mathrm{ReLU}(\mathrm{LN}(W_l h_l + b_l))), \quad h = W_L h_L + b_L

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        hidden: Widths of the hidden layers.
        dropout: Share of zeros in training, in [0, 1).
        norm: Whether hidden layers have a LayerNorm; the published adversary has none.
        generator: Source of the first weights, on the CPU; the global one if omitted.

    Source: ``SharedEncoder`` of the published GEARS code, genes - 512 - 256 - 128.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: Sequence[int] = (512, 256),
        *,
        dropout: float = 0.1,
        norm: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.out_channels, self.dropout = out_channels, dropout
        widths = [in_channels, *hidden, out_channels]
        self.layers = nn.ModuleList(seeded_linear(a, b, generator=generator) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in hidden) if norm else None

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> NormalizedNetwork:
        """The network whose ``state_dict()`` this is, for evaluation; its widths are those of the weights."""
        weights = [value for name, value in state.items() if name.startswith("layers.") and name.endswith("weight")]
        hidden = [weight.size(0) for weight in weights[:-1]]
        # Their own source, so that weights which are overwritten anyway cost the caller no random number.
        network = cls(
            weights[0].size(1),
            weights[-1].size(0),
            hidden,
            norm=any(name.startswith("norms.") for name in state),
            generator=torch.Generator(),
        )
        network.load_state_dict(dict(state))
        return network.eval()

    def forward(self, x: Float[Tensor, "n f"], generator: torch.Generator | None = None) -> Float[Tensor, "n c"]:
        """Embed features (n, f) as (n, c).

        Args:
            x: Features, shape (n, f).
            generator: Source of the dropout in training, on the CPU; torch's global one if omitted.
        """
        for place, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = F.relu(x if self.norms is None else self.norms[place](x))
            if self.training:
                x = seeded_dropout(x, self.dropout, generator)
        return self.layers[-1](x)
