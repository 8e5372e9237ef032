"""The methods of a comparison: presets of this package, fitted models, the soft map, the simple rivals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pyg_gears.baselines import simple_rivals, soft_map
from pyg_gears.baselines.rivals import Layout
from pyg_gears.errors import argument, expect, nearest_name
from pyg_gears.fitted_gears import FittedGears
from pyg_gears.gears import Gears
from pyg_gears.lab.benchmark.protocols import Case
from pyg_gears.training.model_folder import model_file
from pyg_gears.training.presets import PRESETS
from pyg_gears.training.recipe import Recipe

Layouts = dict[str, Layout]


class Method(NamedTuple):
    """Something that places cells.

    Attributes:
        name: Its name.
        depends_on: What its layouts depend on beside case and seed, for the key under which they are kept.
        lay_out: Layouts by name, from a case, a seed and a folder for unfinished work.
    """

    name: str
    depends_on: Any
    lay_out: Callable[[Case, int, Path], Layouts]


def find_methods(
    names: Sequence[str], models: Sequence[Path] = (), changes: Mapping[str, Any] | None = None
) -> list[Method]:
    """Methods by name.

    Args:
        names: "simple" (the rivals of :func:`~pyg_gears.baselines.simple_rivals`), "soft_map" (the Tangram-like
            :func:`~pyg_gears.baselines.soft_map`: expected places and, as "soft_map_best", most likely ones), and presets of the
            recipe: fitted on the references, with the query as the cells of the fit, as a user would.
        models: Folders of fitted models, each named by its folder; they only lay out.
        changes: Changes of the recipe of every preset.

    Raises:
        InputError: for an unknown or repeated name, a folder without a model, changes without a preset, or a seed among them.
    """
    known = ("simple", "soft_map", *PRESETS)
    for name in names:
        expect(
            name in known,
            f"expected a method among {', '.join(known)}, found {name!r}{nearest_name(name, known)}; name one.",
        )
    every = [*names, *(folder.resolve().name for folder in models)]
    expect(
        len(every) > 0,
        "expected at least one method, found none; name one with "
        f"{argument('names', '--method')} or {argument('models', '--model')}.",
    )
    expect(
        len(set(every)) == len(every),
        f"expected methods of different names, found {', '.join(every)}; name each once, and rename folders of models.",
    )
    changes = changes or {}
    expect(
        not changes or any(name in PRESETS for name in names),
        f"expected a preset that --set changes, found {', '.join(names) or 'none'}; leave --set out or name a preset.",
    )
    training = changes.get("training", {})
    expect(
        not isinstance(training, Mapping) or "seed" not in training,
        "expected the seeds of the comparison from --seeds, found training.seed among the changes; leave it out.",
    )
    found = []
    for name in names:
        if name in PRESETS:
            recipe = Recipe.preset(name).change(changes)
            found.append(Method(name, recipe, partial(_fit_and_place, name, recipe)))
        else:
            found.append(Method(name, None, _simple if name == "simple" else _soft_map))
    for folder in models:
        content = hashlib.sha256(model_file(folder).read_bytes()).hexdigest()
        found.append(Method(folder.resolve().name, content, partial(_place, folder)))
    return found


def _simple(case: Case, seed: int, work: Path) -> Layouts:
    return simple_rivals(case.references, case.query, seed=seed)


def _soft_map(case: Case, seed: int, work: Path) -> Layouts:
    found = soft_map(case.references, case.query, seed=seed)
    return {"soft_map": found.expected, "soft_map_best": found.best}


def _fit_and_place(name: str, recipe: Recipe, case: Case, seed: int, work: Path) -> Layouts:
    recipe = recipe.change({"training": {"seed": seed}})
    fitted = Gears(recipe).fit(list(case.references), case.query, work_dir=work / "fit", progress=False)
    found = fitted.reconstruct(case.query, seed=seed, shard_dir=work / "patches", progress=False)
    return {name: found.pos}


def _place(folder: Path, case: Case, seed: int, work: Path) -> Layouts:
    found = FittedGears.load(folder).reconstruct(case.query, seed=seed, shard_dir=work / "patches", progress=False)
    return {folder.resolve().name: found.pos}
