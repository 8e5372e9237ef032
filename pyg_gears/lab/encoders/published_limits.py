"""The published limits of an encoder: three slides of liver, figures of an encoder that has seen them all."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pyg_gears.lab.probe import PUBLISHED, Requirement


class Limit(NamedTuple):
    """A published limit: the figure's name, in verdicts and in short, the limit, and the side of it that is right."""

    name: str
    short: str
    limit: float
    direction: Literal["at least", "at most"]

    def requirement(self, value: float | None, subject: str) -> Requirement:
        """The limit for a figure of an embedding."""
        return Requirement(self.name, value, self.limit, self.direction, PUBLISHED, subject)


LIMITS = {
    "probe": Limit("slide probe", "slide probe", 0.50, "at most"),
    "overlap": Limit("overlap@20 on training slides", "overlap@20", 0.65, "at least"),
    "norm_ratio": Limit("norm ratio between slides", "norm ratio", 1.10, "at most"),
    "std_min": Limit("least std of a channel", "least std", 0.01, "at least"),
    "domain": Limit("domain probe after the adapter", "domain probe", 0.55, "at most"),
}
