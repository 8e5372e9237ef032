"""What an experiment is: a question, the recipes that answer it, and what is measured on each trained model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyg_gears.errors import expect
from pyg_gears.training.recipe import Recipe

EMBEDDINGS = ("own", "noise")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LABEL = re.compile(r"[a-z0-9][a-z0-9 .,+-]*")


@dataclass(frozen=True)
class Variant:
    """One column of a grid.

    Attributes:
        label: Short name in table and figure: lower-case letters, digits, blanks and ``.,+-``.
        changes: Recipe fields that differ from the base recipe, by section, for instance ``{"graph": {"k": 60}}``.
        embedding: "own", or "noise": Gaussian noise with the mean and spread of each channel of each slide, which carries
            nothing of the tissue.
    """

    label: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    embedding: str = "own"

    def __post_init__(self) -> None:
        expect(
            LABEL.fullmatch(self.label) is not None,
            f"expected a label of lower-case letters, digits, blanks and .,+-, found {self.label!r}; rename the variant.",
        )
        expect(
            self.embedding in EMBEDDINGS,
            f"expected the embedding of a variant among {', '.join(EMBEDDINGS)}, found {self.embedding!r}; name one.",
        )

    @property
    def folder(self) -> str:
        """The label as the name of a folder."""
        return self.label.replace(" ", "_")

    def recipe(self, base: Recipe) -> Recipe:
        """The base recipe with this variant's changes.

        Raises:
            InputError: for a field that recipes do not have, or a value that they refuse.
        """
        return base.change(self.changes)


@dataclass(frozen=True)
class Experiment:
    """A named grid: variants of the recipe, each to be trained on several folds with several seeds.

    Attributes:
        name: Short hyphenated name.
        question: What is asked, one sentence.
        found: What the method's published ladder or our own measurements found; "Not yet measured here" where so.
        variants: The recipes; the first is the one that the others are compared with, run by run.
        measure: Evaluations of each trained model, by name (:data:`pyg_gears.lab.experiments.evaluations.EVALUATIONS`).
        seeds: Seeds if none are asked for.

    Raises:
        InputError: for a name or labels that cannot name files, no variants, or labels given twice.
    """

    name: str
    question: str
    found: str
    variants: tuple[Variant, ...]
    measure: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        expect(
            NAME.fullmatch(self.name) is not None,
            f"expected lower-case words joined by hyphens as a name, found {self.name!r}; rename the experiment.",
        )
        folders = [variant.folder for variant in self.variants]
        expect(
            len(folders) > 0 and len(set(folders)) == len(folders),
            f"expected variants with different labels, found {', '.join(folders) or 'none'}; label each.",
        )

    @property
    def varied(self) -> frozenset[str]:
        """The recipe fields that some variant sets, as ``section.field``."""
        return frozenset(
            f"{section}.{name}"
            for variant in self.variants
            for section, values in variant.changes.items()
            for name in values
        )

    def refuse_varied(self, fields: Mapping[str, Any]) -> None:
        """Refuse a base recipe's fields, by section, that variants set themselves: the choice would be without effect.

        Raises:
            InputError: when there is such a field.
        """
        for section, values in fields.items():
            for name in values if isinstance(values, Mapping) else ():
                expect(
                    f"{section}.{name}" not in self.varied,
                    f"expected fields that {self.name} does not vary, found {section}.{name}; leave it out.",
                )

    def recipes(self, base: Recipe) -> dict[str, Recipe]:
        """Label to recipe, every variant on top of ``base``; refuses what a recipe refuses (InputError)."""
        return {variant.label: variant.recipe(base) for variant in self.variants}


AS_IS = Variant("as is")
"""The base recipe itself."""
