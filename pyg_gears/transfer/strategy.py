"""What the method leaves open, each a choice."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from pyg_gears.errors import expect, nearest_name


@dataclass(frozen=True)
class Strategy:
    """How structure is transferred; every field is an option of ``pyg-gears transfer --strategy``.

    Raises:
        InputError: for a value that a field does not take.
    """

    k: int = 12
    """Eigenvectors of either graph, at least 2."""

    basis: Literal["all", "contours"] = "all"
    """Laplacian of all nodes, or the boundary-only one."""

    where: Literal["low_gate", "contours"] = "low_gate"
    """Destinations: pieces of the target's contours where its own activation is weak, or all contours."""

    low_gate: float = 0.5
    """Share of the contour nodes that count as weakly active, in (0, 1]; read where a unit is "low_gate"."""

    what: Literal["contours", "low_gate", "seeds"] = "contours"
    """Units of the sample: connected contours, their weakly active pieces, or what fills up around the strongest nodes."""

    seeds: int = 12
    """Strongest nodes that a fill starts from; read by what = "seeds"."""

    least: int = 12
    """Nodes that a unit has at least."""

    rotation: Literal["none", "turn", "curve", "axes"] = "axes"
    """"none"; "turn": by 90 degrees, as self-attention would place it; "curve": its axis across the local curve of the
    destination; "axes": its axis across the axis of the whole destination."""

    translation: Literal["none", "side", "sparse"] = "none"
    """"none": centre on centre; "side": half a length along the own axis; "sparse": the same, to the side where less has
    been placed, read from a first placement of everything. Rotation and translation are read where whole shapes are placed:
    variant = "fragments" and "gate"."""

    truncation: Literal["off", "mean", "quantile"] = "off"
    """Nodes of a fragment that are copied: all, those of an affinity above the mean, or above ``quantile``; read by
    every variant but "gate", which copies the destination."""

    quantile: float = 0.25
    """In [0, 1); read by truncation = "quantile"."""

    reuse: int = 0
    """How often a unit of the sample may be used: 0 for any number."""

    variant: Literal["fragments", "colors", "warp", "gate"] = "fragments"
    """"fragments": shapes of the sample; "colors" (A): shapes of the target, colours of the sample; "warp" (B): nodes of
    the sample go where they correspond spectrally; "gate" (C): shapes of the target, the cross term decides which and in
    which colours."""

    radius: float = 0.0
    """Locality gate exp(-distance / radius) in the choice of the sample's unit; radius over the RMS radius of the graphs,
    0 for none."""

    gate: float = 0.0
    """Magnitude gate: a destination whose cross activation is below this share of the largest gets nothing."""

    blend: float = 1.0
    """a in (1 - a) target + a placed, in (0, 1]."""

    thicken: Literal["none", "heat", "scatter"] = "none"
    """"heat": strong fragments grow by diffusion; "scatter": nodes are repeated across the line, the more the
    stronger (variants "fragments" and "gate")."""

    width: float = 1.5
    """How far fragments are thickened, in node spacings, above 0; read where they are."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value, choices = getattr(self, field.name), get_args(hints[field.name])
            expect(
                not choices or value in choices,
                f"expected {field.name} to be one of {', '.join(map(str, choices))}, found {value!r}; name one.",
            )
        for name, (low, high, open_low, open_high) in _RANGES.items():
            value = getattr(self, name)
            inside = (low < value if open_low else low <= value) and (value < high if open_high else value <= high)
            expect(
                inside,
                f"expected {name} in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}, found {value:g}; "
                "choose a value in this range.",
            )

    @classmethod
    def parse(cls, assignments: tuple[str, ...]) -> Strategy:
        """A strategy from words such as ``rotation=curve``.

        Args:
            assignments: ``KEY=VALUE``, later ones win.

        Raises:
            InputError: for a word of another form, an unknown key or a value that the field does not take.
        """
        hints = get_type_hints(cls)
        changes: dict[str, Any] = {}
        for word in assignments:
            key, equals, text = word.partition("=")
            expect(bool(equals), f"expected KEY=VALUE for --strategy, found {word!r}; write e.g. rotation=curve.")
            expect(
                key in hints,
                f"expected a field of the strategy, found {key!r}{nearest_name(key, hints)}; see `pyg-gears transfer --help`.",
            )
            kind = hints[key] if hints[key] in (int, float) else str
            try:
                changes[key] = kind(text)
            except ValueError:
                expect(False, f"expected a number for {key}, found {text!r}; write e.g. {key}={getattr(cls, key)}.")
        return cls(**changes)


_RANGES: dict[str, tuple[float, float, bool, bool]] = {
    "k": (2, 64, False, False),
    "low_gate": (0, 1, True, False),
    "seeds": (1, 64, False, False),
    "least": (3, 10**6, False, False),
    "quantile": (0, 1, False, True),
    "reuse": (0, 10**6, False, False),
    "radius": (0, 1e6, False, False),
    "gate": (0, 1, False, False),
    "blend": (0, 1, True, False),
    "width": (0, 16, True, False),
}
