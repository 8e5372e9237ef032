"""What a model is diagnosed on: its members, and minisets of slides with known positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from pyg_gears.data import MinisetDataset, Slide
from pyg_gears.lab.probe import Requirement
from pyg_gears.lab.text_table import mean_and_deviation
from pyg_gears.transforms import CandidateGraph

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

SEEN, VALIDATED, HELD_OUT = "seen in training", "held out, used for early stopping", "held out"

Record = TypeVar("Record")


@dataclass(frozen=True)
class SlideSubject:
    """One slide.

    Attributes:
        name: Name of the slide.
        status: ``SEEN``, ``VALIDATED`` (held out, but it chose when training stopped) or ``HELD_OUT``.
        minisets: Its minisets, with targets and candidates.
        slide: Its expression with all genes of the file; None where no probe needs it.
    """

    name: str
    status: str
    minisets: MinisetDataset
    slide: Slide | None = None


@dataclass(frozen=True)
class ModelSubject:
    """A fitted model and the slides to diagnose it on.

    Attributes:
        members: Trained structure models.
        slides: The slides.
        candidates: Candidate graph that the members were trained on.
        references: Slides of the training, with expression, on which simple rivals are fitted.
        node_budget: Most nodes of a batch.
        seed: Seed of all draws.
        progress: Called with a few words before each measurement.
    """

    members: tuple[StructureModel, ...]
    slides: tuple[SlideSubject, ...]
    candidates: CandidateGraph
    references: tuple[Slide, ...] = ()
    node_budget: int = 1024
    seed: int = 0
    progress: Callable[[str], None] = lambda step: None


@dataclass(frozen=True)
class OnSlide(Generic[Record]):
    """Records of one slide, one per member (or one for all of them).

    Attributes:
        name: Name of the slide.
        status: Whether the model has seen it.
        members: The records.
    """

    name: str
    status: str
    members: tuple[Record, ...]

    @property
    def label(self) -> str:
        """Name and status."""
        return f"{self.name} ({self.status})"

    def mean(self) -> Record:
        """Mean of the members' records, see :func:`mean_record`."""
        return mean_record(self.members)


Found: TypeAlias = tuple[OnSlide[Record], ...]


def each_member(run: Callable[[StructureModel, SlideSubject, ModelSubject], Record], step: str) -> Any:
    """The measurement of a probe that measures every member on every slide by ``run``; ``step`` names it."""

    def measure(subject: ModelSubject) -> Found[Record]:
        found = []
        for slide in subject.slides:
            records = []
            for member in subject.members:
                subject.progress(f"{slide.name}: {step}")
                records.append(run(member, slide, subject))
            found.append(OnSlide(slide.name, slide.status, tuple(records)))
        return tuple(found)

    return measure


def member_table(found: Found[Record], rows: Callable[[Record], Mapping[str, float]]) -> pd.DataFrame:
    """A column per slide; in each cell the mean over members, with the standard deviation where there are several."""
    columns = {}
    for slide in found:
        values = [rows(record) for record in slide.members]
        columns[slide.name] = {name: mean_and_deviation([one[name] for one in values]) for name in values[0]}
    return pd.DataFrame(columns)


def slide_requirements(
    requirements: Callable[[OnSlide[Record]], Sequence[Requirement]],
) -> Callable[[Found[Record]], list[Requirement]]:
    """The requirements of every slide, labelled with its name and status."""
    return lambda found: [one._replace(subject=slide.label) for slide in found for one in requirements(slide)]


def mean_record(records: Sequence[Any]) -> Any:
    """The mean of equal records, field by field, mappings entry by entry; a truth holds when it holds in every record.

    >>> mean_record([{"a": 1.0, "b": True}, {"a": 2.0, "b": False}])
    {'a': 1.5, 'b': False}
    """
    first = records[0]
    if isinstance(first, Mapping):
        return {key: mean_record([record[key] for record in records]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(mean_record(values) for values in zip(*records, strict=True)))
    if isinstance(first, bool | np.bool_):
        return all(records)
    if isinstance(first, int | str) or first is None:
        return first
    mean = np.mean(records, axis=0)
    return float(mean) if mean.ndim == 0 else mean
