"""A probe: what it measures, its tables, its figure and its requirements, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from pyg_gears.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Subject = TypeVar("Subject")
Record = TypeVar("Record")
AnyProbe: TypeAlias = "Probe[Any, Any]"

PUBLISHED = "published: liver, the encoder has seen all slides"
RELATIVE = "relative to the truth's own figures and to simple rivals"


class NotMeasurable(InputError):
    """The subject lacks what the probe measures; the message names it in one sentence."""


class Requirement(NamedTuple):
    """A limit that a measured figure must keep.

    Attributes:
        name: Quantity.
        value: The figure; None where it was not measured.
        limit: The limit.
        direction: Side of the limit on which the figure must lie, the limit included.
        basis: Protocol from which the limit comes: ``RELATIVE`` limits judge a model, ``PUBLISHED`` ones are for comparison.
        subject: Slide or encoder that the figure describes.
        note: Further figures.
    """

    name: str
    value: float | None
    limit: float
    direction: Literal["at least", "at most"]
    basis: str = RELATIVE
    subject: str = ""
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the figure keeps the limit (NaN does not); None where it was not measured."""
        if self.value is None:
            return None
        return bool(self.value >= self.limit if self.direction == "at least" else self.value <= self.limit)


def no_requirements(record: Any) -> Sequence[Requirement]:
    """For probes that describe and do not judge."""
    return ()


@dataclass(frozen=True)
class Probe(Generic[Subject, Record]):
    """A measurement with its presentation. A new probe is one file and one entry in the list of a command.

    Attributes:
        name: Key in ``report.json``, and stem of the figure's file.
        measure: From the subject to the record; raises :class:`NotMeasurable` where the subject lacks what it needs.
        tables: Record -> title -> table of the text report.
        draw: Draws the record into an empty figure and sets its size; None without a figure.
        requirements: Record -> limits with their verdicts.
        numbers: Record -> what ``report.json`` keeps of it, by default everything.
    """

    name: str
    measure: Callable[[Subject], Record]
    tables: Callable[[Record], Mapping[str, pd.DataFrame]]
    draw: Callable[[Record, Figure], None] | None = None
    requirements: Callable[[Record], Sequence[Requirement]] = no_requirements
    numbers: Callable[[Record], Any] = lambda record: record
