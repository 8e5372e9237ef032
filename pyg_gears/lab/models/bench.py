"""Train and measure one model after the other; what is finished is kept, and a stopped call goes on when it is repeated."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from pyg_gears.data import MinisetDataset, Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import expect
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.models.bench_figure import check_figures, draw_bench
from pyg_gears.lab.models.bench_table import bench_frame, bench_table
from pyg_gears.lab.models.contenders import contenders
from pyg_gears.lab.models.measure_model import measure_model
from pyg_gears.lab.models.peak_memory import peak_memory
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.preparation import Prepared, check_slides, prepare
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_module import TrainingDiverged
from pyg_gears.training.structure_training import train_structure
from pyg_gears.typing import FilePath, FloatArray


@dataclass(frozen=True)
class BenchOutput:
    """A finished bench.

    Attributes:
        records: One record a model and seed, models in the order asked for.
        table: The text of ``table.txt``.
        folder: Where ``table.txt``, ``results.json``, ``figure.png`` and ``runs/`` lie.
    """

    records: tuple[RunRecord, ...]
    table: str
    folder: Path


def bench_recipe(recipe: Recipe) -> Recipe:
    """The recipe with one budget for all models: no pretraining, which only some could use, and no early stop.

    Args:
        recipe: Any recipe with losses on coordinates; its model does not matter.

    Raises:
        InputError: for a recipe whose model is trained by terms of its own alone, as those of the published presets.
    """
    expect(
        recipe.loss.random_walk > 0 or recipe.loss.stress > 0,
        "expected losses on coordinates that all models share, found loss.random_walk and loss.stress of 0, as in the published "
        "presets; set one of them, or choose another preset.",
    )
    return recipe.change({"training": {"pretraining": None, "patience": recipe.training.epochs}})


def run_bench(
    slides: Sequence[Slide],
    query: Slide,
    out: FilePath,
    *,
    validate: str,
    models: Sequence[str] | None = None,
    recipe: Recipe | None = None,
    seeds: Sequence[int] = (0,),
    samples: int = 4,
    progress: bool = True,
) -> BenchOutput:
    """Train every model for the same epochs over the same minisets, and lay out a section that none has seen.

    Embedding, candidates, minisets, losses on coordinates, optimiser and inference are those of the recipe for all; a model adds
    the terms that it brings. ``validate`` chooses each model's best epoch; ``query`` takes part in nothing but the last
    measurement.

    Args:
        slides: Slides with positions, the one to hold out among them.
        query: The unseen section; its positions are used only to judge.
        out: New folder, or one begun with the same call. Further models and seeds can be asked for later.
        validate: Name of the slide that is held out.
        models: Kinds of models; all if omitted. The coordinate MLP always takes part.
        recipe: Base recipe, see :func:`bench_recipe`; ``Recipe.preset("quick")`` if omitted.
        seeds: Seeds of the models: first weights, order, augmentation. Encoder and minisets follow from the recipe's.
        samples: Samples of a model that gives several layouts.
        progress: Show a bar.

    Raises:
        InputError: for slides, a query without positions, models or an ``out`` that cannot be used, before any work.
        ImportError: without matplotlib, before any work.
    """
    recipe, out, kinds = bench_recipe(recipe or Recipe.preset("quick")), Path(out), contenders(models)
    check_slides(slides, None, validate)
    expect(
        query.pos is not None,
        f"expected positions in the query {query.name}, found none; they judge the layouts, name a section that has them.",
    )
    expect(
        query.name not in [slide.name for slide in slides],
        f"expected a query that is none of the slides, found {query.name} among them; name another section.",
    )
    expect(
        len(seeds) > 0 and all(seed >= 0 for seed in seeds),
        f"expected seeds of at least 0, found {', '.join(map(str, seeds)) or 'none'}; change --seeds.",
    )
    check_figures()
    claim_folder(out, fingerprint(recipe, list(slides), query, validate, samples))
    tasks = [(kind, seed, out / "runs" / kind / f"seed_{seed}.json") for kind in kinds for seed in seeds]
    prepared: dict[frozenset[str], Prepared] = {}
    for kind, seed, path in tqdm(tasks, unit="model", disable=not progress):
        if not path.exists():
            chosen = recipe.change({"model": {"kind": kind}})
            needs = frozenset(getattr(chosen.model, "needs", ()))
            if needs not in prepared:
                prepared[needs] = prepare(chosen, slides, None, validate, out / "work")
            _run(chosen, prepared[needs], query, kind, seed, validate, samples, out).write(path)
        _write(tasks, out)
    shutil.rmtree(out / "work" / "models", ignore_errors=True)
    records, table = _write(tasks, out)
    draw_bench(bench_frame(records), out / "figure.png")
    return BenchOutput(records, table, out)


def _run(
    recipe: Recipe, prepared: Prepared, query: Slide, kind: str, seed: int, fold: str, samples: int, out: Path
) -> RunRecord:
    """One model: train, measure."""
    record = RunRecord(variant=kind, protocol="inductive", fold=fold, seed=seed)
    folder = out / "work" / "models" / kind / f"seed_{seed}"
    resumed = folder.exists()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        with peak_memory() as memory:
            model = train_structure(
                recipe, prepared.train, prepared.validation, seed=seed, folder=folder, progress=False
            )
    except TrainingDiverged as error:
        return record.change({"failed": str(error)})
    # Those of a resumed run would be of its last part.
    spent = {} if resumed else {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    budget, (embedded, truth) = recipe.training.node_budget, _query(prepared, query)
    numbers = measure_model(model, prepared, embedded, truth, samples=samples, seed=seed, node_budget=budget)
    nodes = float(recipe.training.epochs * nodes_of(prepared.train))
    numbers |= {"nodes_seen": nodes, **spent}
    if memory.megabytes == memory.megabytes and not resumed:
        numbers["memory_mb"] = memory.megabytes
    return record.change({"numbers": numbers})


def nodes_of(minisets: MinisetDataset) -> int:
    """Nodes of all minisets: what a model sees in one epoch."""
    return sum(int(minisets[number].num_nodes) for number in range(len(minisets)))


def _query(prepared: Prepared, query: Slide) -> tuple[Float[Tensor, "n c"], FloatArray]:
    assert query.pos is not None
    with torch.no_grad():
        return prepared.encoder.encode(query), query.pos


def _write(tasks: Sequence[tuple[str, int, Path]], out: Path) -> tuple[tuple[RunRecord, ...], str]:
    """Table and numbers of what is finished: a long bench can be read while it runs."""
    records = tuple(RunRecord.load(path) for _, _, path in tasks if path.exists())
    table = bench_table(records)
    with whole_file(out / "table.txt") as part:
        part.write_text(table, encoding="utf-8")
    with whole_file(out / "results.json") as part:
        part.write_text(json.dumps([one.model_dump() for one in records], indent=1) + "\n", encoding="utf-8")
    return records, table
