"""Run a grid: variants x protocols x folds x seeds, each run once, resumable at every epoch."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import torch

from pyg_gears.data import Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.leftovers import remove_leftovers
from pyg_gears.devices import find_device
from pyg_gears.errors import argument, expect, nearest_name
from pyg_gears.lab.experiments.criterion import Verdict
from pyg_gears.lab.experiments.evaluations import EVALUATIONS
from pyg_gears.lab.experiments.experiment import PROTOCOLS, Experiment, Protocol
from pyg_gears.lab.experiments.figure import draw_experiment
from pyg_gears.lab.experiments.fold import Preparation, check_protocol, prepare_folds
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.experiments.table import judge, write_results
from pyg_gears.lab.experiments.train_run import RunTask, train_run
from pyg_gears.lab.experiments.unseen import check_unseen, embed_unseen
from pyg_gears.lab.progress_bar import progress_bar
from pyg_gears.report.figure_style import check_figures
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.preparation import Prepared, check_slides
from pyg_gears.training.recipe import Recipe
from pyg_gears.typing import FilePath


@dataclass(frozen=True)
class ExperimentOutput:
    """A finished grid.

    Attributes:
        experiment: The experiment.
        records: Every run asked for, in the order variant, protocol, fold, seed.
        verdicts: The outcome of every criterion, protocol by protocol.
        folder: Where ``table.txt``, ``results.json``, ``table.csv``, ``figure.png``, ``runs.csv`` and ``runs/`` lie.
        table: The text of ``table.txt``.
    """

    experiment: Experiment
    records: tuple[RunRecord, ...]
    verdicts: tuple[Verdict, ...]
    folder: Path
    table: str


def run_experiment(
    experiment: Experiment,
    slides: Sequence[Slide],
    out: FilePath,
    *,
    unseen: Sequence[Slide] = (),
    recipe: Recipe | None = None,
    seeds: Sequence[int] | None = None,
    folds: Sequence[str] | None = None,
    protocols: Sequence[Protocol] = ("inductive",),
    processes: int = 1,
    device: str = "cpu",
    progress: bool = True,
) -> ExperimentOutput:
    """Train and measure every variant on every fold with every seed; write the results, their verdicts and one figure.

    A fold is one slide held out, see :func:`pyg_gears.lab.experiments.fold.prepare_fold` for what the encoder sees of it under
    each protocol. The slide chooses the best epoch of each model: the numbers compare variants and are no final test. A seed
    is one of the structure model (first weights, order, augmentation); encoder and minisets of a fold follow from
    ``recipe.training.seed`` and are the same for all seeds.

    A call that was stopped goes on when it is made again: finished runs are kept, the one in work goes on from its last
    epoch. More seeds, folds or protocols can be asked for later in the same folder.

    Args:
        experiment: The experiment.
        slides: Two or more slides with positions.
        out: New folder, or one begun with the same experiment, recipe and slides.
        unseen: Slides with positions on which every trained model is measured too, and which take part in nothing else: the
            evaluation "unseen" is made of them, whether the experiment names it or not.
        recipe: Base recipe of all variants; ``Recipe.preset("standard")`` if omitted.
        seeds: Seeds, each >= 0; by default the experiment's.
        folds: Names of the slides to hold out; by default all in turn.
        protocols: "inductive", "transductive" or both, for variants without a protocol of their own.
        processes: Processes side by side, one thread each; the results are the same.
        device: Where encoders and models are trained: "auto", "cpu" or "cuda"; they are measured on the CPU.
        progress: Show a bar in a terminal.

    Raises:
        InputError: for slides, seeds, folds, protocols, a device or an ``out`` that cannot be used, before any work.
        ImportError: without matplotlib, before any work.
    """
    recipe, out = recipe or Recipe.preset("standard"), Path(out)
    seeds = experiment.seeds if seeds is None else tuple(seeds)
    folds = tuple(slide.name for slide in slides) if folds is None else tuple(folds)
    check_grid(experiment, slides, seeds, folds, protocols, processes)
    check_unseen(unseen, [slide.name for slide in slides])
    if unseen and "unseen" not in experiment.measure:
        experiment = experiment.change({"measure": [*experiment.measure, "unseen"]})
    recipes = experiment.recipes(recipe)
    for variant in experiment.variants:
        for protocol in variant.protocols(protocols):
            check_protocol(recipes[variant.label], protocol)
    place = find_device(device)
    check_figures()
    _claim(out, experiment, recipe, slides, unseen)
    tasks = [
        RunTask(
            variant=variant.label,
            seed=seed,
            preparation=Preparation(fold, protocol, recipes[variant.label], variant.embedding, variant.candidates),
            measure=experiment.measure,
            device=str(place),
            record=out / "runs" / variant.folder / protocol / fold / f"seed_{seed}.json",
            work=out / "work" / "runs" / variant.folder / protocol / fold / f"seed_{seed}",
        )
        for variant in experiment.variants
        for protocol in variant.protocols(protocols)
        for fold in folds
        for seed in seeds
    ]
    open_tasks = [task for task in tasks if not task.record.exists()]
    done = len(tasks) - len(open_tasks)
    with progress_bar(total=len(tasks), initial=done, unit="run", shown=progress) as bar:
        for _ in _run_tasks(open_tasks, slides, unseen, out / "work", processes):
            write_results(experiment, _records(tasks), out)  # a long grid can be read while it runs
            bar.update()
    shutil.rmtree(out / "work", ignore_errors=True)
    records = _records(tasks)
    table = write_results(experiment, records, out)
    draw_experiment(experiment, records, out / "figure.png")
    return ExperimentOutput(experiment, records, tuple(judge(experiment, records)), out, table)


def check_grid(
    experiment: Experiment,
    slides: Sequence[Slide],
    seeds: Sequence[int],
    folds: Sequence[str],
    protocols: Sequence[str],
    processes: int,
) -> None:
    """Check that a grid can be run on these slides (InputError otherwise)."""
    check_slides(slides, None, None)
    names = [slide.name for slide in slides]
    expect(len(slides) >= 2, f"expected two or more slides, found {len(slides)}: one is held out; add slides.")
    for fold in folds:
        expect(
            fold in names,
            f"expected {argument('folds')} to name slides among {', '.join(names)}, found {fold!r}{nearest_name(fold, names)}; "
            "use the file's stem.",
        )
    expect(
        len(folds) > 0 and len(set(folds)) == len(folds),
        f"expected folds that are named once, found {', '.join(folds) or 'none'}; name each slide to hold out.",
    )
    expect(
        len(seeds) > 0 and len(set(seeds)) == len(seeds) and all(seed >= 0 for seed in seeds),
        f"expected different seeds of at least 0, found {', '.join(map(str, seeds)) or 'none'}; change {argument('seeds')}.",
    )
    expect(
        len(protocols) > 0 and len(set(protocols)) == len(protocols) and set(protocols) <= set(PROTOCOLS),
        f"expected protocols among {', '.join(PROTOCOLS)}, each once, found {', '.join(protocols) or 'none'}; "
        f"change {argument('protocols', '--protocol')}.",
    )
    expect(processes >= 1, f"expected at least one process, found {processes}; change {argument('processes')}.")
    for name in experiment.measure:
        expect(
            name in EVALUATIONS,
            f"expected evaluations among {', '.join(EVALUATIONS)}, found {name!r}{nearest_name(name, EVALUATIONS)}; "
            "name one.",
        )


def _claim(out: Path, experiment: Experiment, recipe: Recipe, slides: Sequence[Slide], unseen: Sequence[Slide]) -> None:
    """Mark the folder with what is trained and measured; wording, criteria and published figures may change."""
    expect(
        not out.exists() or (out.is_dir() and (not any(out.iterdir()) or (out / "run").is_file())),
        f"expected a new folder or one of this experiment for {argument('out')}, found {out} in use; choose another.",
    )
    fields = experiment.as_dict()
    trained = [fields[name] for name in ("name", "base", "variants", "measure")]
    claim_folder(out, fingerprint(trained, recipe, list(slides), list(unseen)))


def _run_tasks(
    tasks: Sequence[RunTask], slides: Sequence[Slide], unseen: Sequence[Slide], work: Path, processes: int
) -> Iterator[RunRecord]:
    """Prepare the folds, then run the tasks; what a fold has on disk goes when its last run is finished."""
    groups: dict[str, dict[str, Preparation]] = {}
    for task in tasks:
        groups.setdefault(task.preparation.encoder_key, {})[task.preparation.key] = task.preparation
    prepared: dict[str, Prepared] = {}
    jobs = [(list(group.values()), slides, work / key, tasks[0].device) for key, group in groups.items()]
    for found in _side_by_side(prepare_folds, jobs, processes):
        prepared |= found
    # Before any training: a slide that lacks genes of a fold is refused here.
    kept_back = {key: embed_unseen(one, unseen) for key, one in prepared.items()}
    left = Counter(task.preparation.encoder_key for task in tasks)
    keys = {(t.variant, t.preparation.protocol, t.preparation.fold): t.preparation.encoder_key for t in tasks}
    keyed = ((task, task.preparation.key) for task in tasks)
    calls = ((task, prepared[own], kept_back[own]) for task, own in keyed)
    for record in _side_by_side(train_run, calls, processes):
        key = keys[record.variant, record.protocol, record.fold]
        left[key] -= 1
        if left[key] == 0:
            shutil.rmtree(work / key)
            for name in groups[key]:
                del prepared[name], kept_back[name]
        yield record


def _side_by_side(function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], processes: int) -> Iterator[Any]:
    """Results of calls as they come; with one process each call is made here. Every call has one thread of torch."""
    calls = (joblib.delayed(_one_thread)(function, *job) for job in jobs)
    with joblib.parallel_config("loky", n_jobs=processes, inner_max_num_threads=1, initializer=_quiet):
        # Arrays as they are: joblib would replace large ones by read-only maps.
        results = joblib.Parallel(return_as="generator_unordered", pre_dispatch="n_jobs", max_nbytes=None)(calls)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks which were still being processed", UserWarning)
            try:
                yield from results
            finally:
                results.close()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a process of the experiment was ended from outside (out of memory?); finished runs are kept: "
            "make the same call again, with fewer processes."
        ) from error


def _one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Results must not depend on the number of processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return function(*arguments)
    finally:
        torch.set_num_threads(threads)


def _quiet() -> None:
    """Leave Ctrl-C to the first process and end with it, however it ends; drop warnings that imports raise."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _end_with(parent: int) -> None:
    """End this process, and what it has not finished, when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    remove_leftovers()
    os._exit(1)


def _records(tasks: Sequence[RunTask]) -> tuple[RunRecord, ...]:
    return tuple(RunRecord.load(task.record) for task in tasks if task.record.exists())
