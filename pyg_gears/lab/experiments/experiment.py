"""What an experiment is: a question, the recipes that answer it, what is measured, and when the answer counts as yes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.errors import InputError, expect
from pyg_gears.lab.experiments.criterion import Criterion
from pyg_gears.training.presets import PRESETS
from pyg_gears.training.recipe import Recipe

Protocol: TypeAlias = Literal["inductive", "transductive"]
PROTOCOLS: tuple[Protocol, ...] = ("inductive", "transductive")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LABEL = re.compile(r"[a-z0-9][a-z0-9 .,+-]*")


class Variant(Configuration):
    """One row of the table: a recipe, trained on every fold with every seed."""

    label: str
    """Short name in table and figure: lower-case letters, digits, blanks and ``.,+-``."""
    preset: str | None = None
    """A preset whose fields are set on top of the base recipe, before ``changes``."""
    changes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Recipe fields that differ from the base recipe, by section, for instance ``{"graph": {"k": 60}}``."""
    embedding: Literal["own", "noise"] = "own"
    """"noise" replaces H by Gaussian noise with the mean and deviation of each channel of each slide."""
    candidates: Literal["own", "random"] = "own"
    """"random" replaces the candidate graph, in training and after it, by one of the same degrees that knows nothing of H
    (:class:`~pyg_gears.lab.experiments.random_candidates.RandomCandidates`)."""
    protocol: Protocol | None = None
    """Protocol of this variant; by default those of the run."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        expect(
            LABEL.fullmatch(self.label) is not None,
            f"expected a label of lower-case letters, digits, blanks and .,+-, found {self.label!r}; rename the variant.",
        )
        return self

    @property
    def folder(self) -> str:
        """The label as the name of a folder."""
        return self.label.replace(" ", "_")

    @property
    def settings(self) -> tuple[Mapping[str, Any], ...]:
        """Changes of the recipe, in the order in which they are made.

        Raises:
            InputError: for an unknown preset.
        """
        if self.preset is None:
            return (self.changes,)
        expect(
            self.preset in PRESETS,
            f"expected a preset among {', '.join(PRESETS)}, found {self.preset!r}; name one.",
        )
        return PRESETS[self.preset], self.changes

    def protocols(self, asked: Sequence[Protocol]) -> Sequence[Protocol]:
        """Protocols under which this variant runs when the run asks for these."""
        return asked if self.protocol is None else (self.protocol,)


class Figure(Configuration):
    """One published number."""

    metric: str
    """Name of the metric, as in the table."""
    variant: str
    """Label of the variant, or the condition in words where the experiment has no such variant."""
    value: float
    """Mean."""
    std: float | None = None
    """Standard deviation over seeds, where it was published."""


class Published(Configuration):
    """Figures of the method's published experiments."""

    source: str
    """Tissue and protocol."""
    figures: tuple[Figure, ...]
    """The numbers."""


class Experiment(Configuration):
    """A named grid: variants of the recipe, each trained on several folds with several seeds."""

    name: str
    """Short hyphenated name."""
    question: str
    """What is asked, one sentence."""
    base: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Recipe fields that all variants share, set before each variant's own."""
    variants: tuple[Variant, ...]
    """The recipes; the others are compared with the first, run by run."""
    measure: tuple[str, ...] = ()
    """Further evaluations of each trained model, by name (:data:`pyg_gears.lab.experiments.evaluations.EVALUATIONS`)."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the structure model if none are asked for."""
    criteria: tuple[Criterion, ...] = ()
    """What the published plan counts as success."""
    published: Published | None = None
    """Published figures, for comparison."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        expect(
            NAME.fullmatch(self.name) is not None,
            f"expected lower-case words joined by hyphens as a name, found {self.name!r}; rename the experiment.",
        )
        labels = [variant.label for variant in self.variants]
        expect(
            len(labels) > 0 and len(set(labels)) == len(labels),
            f"expected variants with different labels, found {', '.join(labels) or 'none'}; label each.",
        )
        for criterion in self.criteria:
            for label in criterion.variants:
                expect(
                    label in labels,
                    f"expected criteria on the variants {', '.join(labels)}, found {label!r}; name one of them.",
                )
        return self

    @property
    def varied(self) -> frozenset[str]:
        """The recipe fields that the experiment sets, as dotted paths."""
        changes = [self.base, *(part for variant in self.variants for part in variant.settings)]
        return frozenset(path for part in changes for path in _paths(part))

    def refuse_varied(self, fields: Mapping[str, Any]) -> None:
        """Refuse fields of a base recipe that the experiment sets itself: they would have no effect.

        Raises:
            InputError: when there is such a field.
        """
        for path in _paths(fields):
            expect(
                not any(f"{path}.".startswith(f"{own}.") or f"{own}.".startswith(f"{path}.") for own in self.varied),
                f"expected fields that {self.name} does not set, found {path}; leave it out.",
            )

    def refuse_preset(self, name: str) -> None:
        """Refuse a preset of a model of its own (a published one) that the experiment changes, or whose model lacks its fields.

        The losses and the schedule of such a preset are made for its model: another one would be trained on nothing.

        Raises:
            InputError: for such a preset, or an unknown one.
        """
        kind = Recipe.preset(name).model.kind
        if kind == Recipe().model.kind:
            return
        fitting = [other for other in PRESETS if self._keeps_model_of(other)]
        # Where no preset fits, the experiment itself is wrong, which its recipes say better.
        expect(
            name in fitting or not fitting,
            f"expected a preset whose model {self.name} keeps, found {name}: the variants change its {kind}, or fields that this "
            f"has not; choose {', '.join(fitting)}.",
        )

    def _keeps_model_of(self, preset: str) -> bool:
        recipe = Recipe.preset(preset)
        try:
            kinds = {variant.model.kind for variant in self.recipes(recipe).values()}
        except InputError:
            return False
        return recipe.model.kind == Recipe().model.kind or kinds == {recipe.model.kind}

    def recipes(self, base: Recipe) -> dict[str, Recipe]:
        """Label to recipe: ``base``, then the experiment's own base, the variant's preset and its changes.

        Raises:
            InputError: for a field that recipes do not have, or a value that they refuse.
        """
        found = {}
        for variant in self.variants:
            recipe = base.change(self.base)
            for part in variant.settings:
                recipe = recipe.change(part)
            found[variant.label] = recipe
        return found


def _paths(fields: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The fields of nested mappings as dotted paths."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"
