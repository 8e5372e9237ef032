"""What all structure models have that read a graph as a set."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.errors import expect


class SetRecipe(Configuration):
    """Set attention, see :class:`pyg_gears.nn.ISAB`."""

    hidden_channels: int = Field(default=64, ge=1)
    """Channels of the states."""
    layers: int = Field(default=2, ge=1)
    """Set attention blocks."""
    points: int = Field(default=16, ge=1)
    """Learned points of each."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        expect(
            self.hidden_channels % self.heads == 0,
            f"expected model.hidden_channels a multiple of model.heads, found {self.hidden_channels} and {self.heads}; "
            "change one.",
        )
        return self
