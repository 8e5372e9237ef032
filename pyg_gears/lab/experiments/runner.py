"""Run a grid: variants x folds x seeds, each run once, whatever happens in between."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pyg_gears.data import Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.errors import expect, nearest_name
from pyg_gears.lab.experiments.evaluations import EVALUATIONS
from pyg_gears.lab.experiments.experiment import Experiment
from pyg_gears.lab.experiments.figure import check_figures, draw_experiment
from pyg_gears.lab.experiments.fold import Preparation, prepare_folds
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.experiments.table import write_tables
from pyg_gears.lab.experiments.train_run import RunTask, train_run
from pyg_gears.lab.experiments.workers import workers
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.preparation import Prepared, check_slides
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_training import build_model
from pyg_gears.typing import FilePath


@dataclass(frozen=True)
class ExperimentOutput:
    """A finished grid.

    Attributes:
        experiment: The experiment.
        records: Every run asked for, in the order variant, fold, seed.
        folder: Where ``table.csv``, ``table.txt``, ``figure.png``, ``runs.csv`` and ``runs/`` lie.
        table: The text of ``table.txt``.
    """

    experiment: Experiment
    records: tuple[RunRecord, ...]
    folder: Path
    table: str


def run_experiment(
    experiment: Experiment,
    slides: Sequence[Slide],
    out: FilePath,
    *,
    recipe: Recipe | None = None,
    seeds: Sequence[int] | None = None,
    folds: Sequence[str] | None = None,
    processes: int = 1,
    progress: bool = True,
) -> ExperimentOutput:
    """Train and measure every variant on every fold with every seed; write one table and one figure.

    A fold is one slide held out: genes, encoder and training minisets see nothing of it. It does choose the state of a
    learned encoder and the best epoch of each model, as in every fit with ``validate``: the numbers compare variants, they
    are no test on an unseen slide. A seed is one of the structure model (first weights, order, augmentation); encoder and
    minisets of a fold follow from ``recipe.training.seed`` and are the same for all seeds.

    A call that was stopped goes on when it is made again: finished runs are kept, the one in work goes on from its last
    epoch. More seeds or folds can be asked for later in the same folder.

    Args:
        experiment: The experiment.
        slides: Two or more slides with positions.
        out: New folder, or one begun with the same experiment, recipe and slides.
        recipe: Base recipe of all variants; ``Recipe.preset("standard")`` if omitted.
        seeds: Seeds, each >= 0; by default the experiment's.
        folds: Names of the slides to hold out; by default all in turn.
        processes: Processes side by side, one thread each; the results are the same.
        progress: Show a bar.

    Raises:
        InputError: for slides, seeds, folds or an ``out`` that cannot be used, before any work.
        ImportError: without matplotlib, before any work.
    """
    recipe, out = recipe or Recipe.preset("standard"), Path(out)
    seeds = experiment.seeds if seeds is None else tuple(seeds)
    folds = tuple(slide.name for slide in slides) if folds is None else tuple(folds)
    check_grid(experiment, slides, seeds, folds, processes)
    recipes = experiment.recipes(recipe)
    for variant in recipes.values():
        build_model(variant, 8, seed=0)  # a model refuses what single fields do not tell
    check_figures()
    content = [(s.name, s.genes, s.pos, s.counts.indptr, s.counts.indices, s.counts.data) for s in slides]
    # What is asked for and found may be worded anew; what is trained and measured may not.
    _claim(out, fingerprint(experiment.name, experiment.variants, experiment.measure, recipe, content))
    preparations = {
        (variant.label, fold): Preparation(fold, recipes[variant.label], variant.embedding)
        for variant in experiment.variants
        for fold in folds
    }
    tasks = [
        RunTask(
            variant=variant.label,
            fold=fold,
            seed=seed,
            recipe=recipes[variant.label],
            preparation=preparations[variant.label, fold].key,
            measure=experiment.measure,
            record=out / "runs" / variant.folder / fold / f"seed_{seed}.json",
            work=out / "work" / "runs" / variant.folder / fold / f"seed_{seed}",
        )
        for variant in experiment.variants
        for fold in folds
        for seed in seeds
    ]
    groups: dict[str, dict[str, Preparation]] = {}
    for preparation in preparations.values():
        groups.setdefault(preparation.encoder_key, {})[preparation.key] = preparation
    open_tasks = [task for task in tasks if not task.record.exists()]
    with tqdm(total=len(tasks), initial=len(tasks) - len(open_tasks), unit="run", disable=not progress) as bar:
        _work(open_tasks, groups, slides, out, processes, lambda: _report(experiment, tasks, bar, out))
    if (out / "work").exists():
        shutil.rmtree(out / "work")
    records = _records(tasks)
    table = write_tables(experiment, records, out)
    draw_experiment(experiment, records, out / "figure.png")
    return ExperimentOutput(experiment, records, out, table)


def check_grid(
    experiment: Experiment, slides: Sequence[Slide], seeds: Sequence[int], folds: Sequence[str], processes: int
) -> None:
    """Check that a grid can be run on these slides (InputError otherwise)."""
    check_slides(slides, None, None)
    names = [slide.name for slide in slides]
    expect(len(slides) >= 2, f"expected two or more slides, found {len(slides)}: one is held out; add slides.")
    for fold in folds:
        expect(
            fold in names,
            f"expected --folds to name slides among {', '.join(names)}, found {fold!r}{nearest_name(fold, names)}; "
            "use the file's stem.",
        )
    expect(
        len(folds) > 0 and len(set(folds)) == len(folds),
        f"expected folds that are named once, found {', '.join(folds) or 'none'}; name each slide to hold out.",
    )
    expect(
        len(seeds) > 0 and len(set(seeds)) == len(seeds) and all(seed >= 0 for seed in seeds),
        f"expected different seeds of at least 0, found {', '.join(map(str, seeds)) or 'none'}; change --seeds.",
    )
    expect(processes >= 1, f"expected at least one process, found {processes}; change --processes.")
    for name in experiment.measure:
        expect(
            name in EVALUATIONS,
            f"expected evaluations among {', '.join(EVALUATIONS)}, found {name!r}{nearest_name(name, EVALUATIONS)}; "
            "name one.",
        )


def _claim(out: Path, key: str) -> None:
    expect(
        not out.exists() or (out.is_dir() and (not any(out.iterdir()) or (out / "run").is_file())),
        f"expected a new folder or one of this experiment for --out, found {out} in use; choose another.",
    )
    claim_folder(out, key)


def _work(
    tasks: Sequence[RunTask],
    groups: dict[str, dict[str, Preparation]],
    slides: Sequence[Slide],
    out: Path,
    processes: int,
    report: Callable[[], None],
) -> None:
    """Prepare a group of runs with one encoder when there is room, run its tasks, clear it away."""
    waiting = deque(
        (key, mine) for key, group in groups.items() if (mine := [t for t in tasks if t.preparation in group])
    )
    ready: deque[tuple[str, RunTask, Prepared]] = deque()
    left = {key: len(mine) for key, mine in waiting}
    running: dict[Future[Any], tuple[str, list[RunTask] | None]] = {}
    with workers(processes) as pool:
        while waiting or ready or running:
            while len(running) < processes and (waiting or ready):
                if ready:
                    key, task, prepared = ready.popleft()
                    running[pool.submit(train_run, task, prepared)] = key, None
                else:
                    key, mine = waiting.popleft()
                    needed = {task.preparation for task in mine}
                    chosen = [preparation for name, preparation in groups[key].items() if name in needed]
                    running[pool.submit(prepare_folds, chosen, slides, out / "work" / key)] = key, mine
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                key, prepared_tasks = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool as error:
                    raise RuntimeError(
                        "a process of the experiment was ended from outside (out of memory?); finished runs are kept: "
                        "make the same call again, with fewer processes."
                    ) from error
                if prepared_tasks is not None:
                    ready.extend((key, task, result[task.preparation]) for task in prepared_tasks)
                    continue
                left[key] -= 1
                if left[key] == 0:
                    shutil.rmtree(out / "work" / key)
                report()


def _records(tasks: Sequence[RunTask]) -> tuple[RunRecord, ...]:
    return tuple(RunRecord.read(task.record) for task in tasks if task.record.exists())


def _report(experiment: Experiment, tasks: Sequence[RunTask], bar: Any, out: Path) -> None:
    """Tables of what is finished so far: a long grid can be read while it runs."""
    write_tables(experiment, _records(tasks), out)
    bar.update()
