"""Train and measure one model after the other; what is finished is kept, and a stopped call goes on when it is repeated."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import MinisetDataset, Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import argument, expect
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.models.bench_figure import draw_bench
from pyg_gears.lab.models.bench_table import bench_frame, bench_table
from pyg_gears.lab.models.bench_tasks import BenchTask, bench_tasks
from pyg_gears.lab.models.contenders import combinations, contenders
from pyg_gears.lab.models.joint_model import JointModel
from pyg_gears.lab.models.measure_model import measure_model
from pyg_gears.lab.models.measure_operators import measure_operators
from pyg_gears.lab.models.peak_memory import peak_memory
from pyg_gears.lab.models.sample_spread import check_samples
from pyg_gears.lab.progress_bar import progress_bar
from pyg_gears.models import StructureModel
from pyg_gears.report.figure_style import check_figures
from pyg_gears.training.build_model import build_model
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.preparation import Prepared, check_slides, prepare
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.sealed_file import read_kept, write_sealed
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

    A bench trains on the training slides alone, as long as a fit trains its final model on all slides, or the first
    round where there is no second (``training.final_epochs=0``).

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
    epochs = recipe.training.final_epochs or recipe.training.epochs
    return recipe.change({"training": {"pretraining": None, "epochs": epochs, "final_epochs": 0, "patience": epochs}})


def run_bench(
    slides: Sequence[Slide],
    query: Slide,
    out: FilePath,
    *,
    validate: str,
    models: Sequence[str] | None = None,
    together: Sequence[str] = (),
    operators: bool = False,
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
        out: New folder, or one begun with the same call. Further models, combinations and seeds can be asked for later.
        validate: Name of the slide that is held out.
        models: Kinds of models; all if omitted. The coordinate MLP always takes part, and so do the kinds of a combination.
        together: Combinations such as ``"distance_egnn+ipa_lite"``: the trained models of a seed vote together in one layout.
        operators: Lay the section out by merged operators too, for the models that make one.
        recipe: Base recipe, see :func:`bench_recipe`; ``Recipe.preset("quick")`` if omitted.
        seeds: Seeds of the models: first weights, order, augmentation. Encoder and minisets follow from the recipe's.
        samples: Samples of a model that gives several layouts, at least two.
        progress: Show a bar in a terminal.

    Raises:
        InputError: for slides, a query without positions, models, seeds, samples or an ``out`` that cannot be used, before any
            work; for a query that lacks genes of the encoder, before the training.
        ImportError: without matplotlib, before any work.
    """
    recipe, out = bench_recipe(recipe or Recipe.preset("quick")), Path(out)
    joint = combinations(together)
    kinds = contenders(None if models is None else [*models, *(kind for kinds in joint for kind in kinds)])
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
        len(seeds) > 0 and len(set(seeds)) == len(seeds) and all(seed >= 0 for seed in seeds),
        f"expected different seeds of at least 0, found {', '.join(map(str, seeds)) or 'none'}; change {argument('seeds')}.",
    )
    check_samples(samples)
    expect(
        not out.exists() or (out.is_dir() and (not any(out.iterdir()) or (out / "run").is_file())),
        f"expected a new folder or one of this bench for {argument('out')}, found {out} in use; choose another.",
    )
    tasks = bench_tasks(kinds, joint, operators, seeds, out / "runs")
    check_figures()
    claim_folder(out, fingerprint(recipe, list(slides), query, validate, samples))
    bench = _Bench(recipe, slides, query, validate, samples, out)
    for task in progress_bar(tasks, unit="model", shown=progress):
        if not task.finished():
            bench.run(task).write(task.record)
        _write(tasks, out)
    shutil.rmtree(out / "work" / "models", ignore_errors=True)
    records, table = _write(tasks, out)
    draw_bench(bench_frame(records), out / "figure.png")
    return BenchOutput(records, table, out)


@dataclass
class _Bench:
    """What all runs share, made when the first of them needs it."""

    recipe: Recipe
    slides: Sequence[Slide]
    query: Slide
    fold: str
    samples: int
    out: Path
    prepared: dict[frozenset[str], Prepared] = field(default_factory=dict)

    def run(self, task: BenchTask) -> RunRecord:
        """Train and measure a model, or measure what was made of trained ones."""
        record = RunRecord(variant=task.variant, protocol="inductive", fold=self.fold, seed=task.seed)
        parts = [RunRecord.load(path) for path in task.parts]
        failed = [part.variant for part in parts if part.failed is not None]
        if failed:
            return record.change({"failed": f"the training of {' and '.join(failed)} diverged"})
        numbers = self._made(task, parts) if parts else self._trained(task)
        return record.change(numbers)

    def _trained(self, task: BenchTask) -> dict[str, Any]:
        """One model: train, keep its weights, measure."""
        recipe, prepared = self._prepared(task.variant)
        folder = self.out / "work" / "models" / task.variant / f"seed_{task.seed}"
        resumed = folder.exists()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            with peak_memory() as memory:
                model = train_structure(
                    recipe, prepared.train, prepared.validation, seed=task.seed, folder=folder, progress=False
                )
        except TrainingDiverged as error:
            return {"failed": str(error)}
        # Those of a resumed run would be of its last part.
        spent = {} if resumed else {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        task.weights.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(task.weights, model.state_dict())
        nodes = float(recipe.training.epochs * nodes_of(prepared.train))
        numbers = {**self._measured(model, prepared, task.seed), "nodes_seen": nodes, **spent}
        if memory.megabytes == memory.megabytes and not resumed:
            numbers["memory_mb"] = memory.megabytes
        return {"numbers": numbers}

    def _made(self, task: BenchTask, parts: Sequence[RunRecord]) -> dict[str, Any]:
        """What trained models give in another way; their costs are added."""
        models = []
        for part, path in zip(parts, task.parts, strict=True):
            recipe, prepared = self._prepared(part.variant)
            model = build_model(recipe, prepared.train.slides[0].x.size(1), task.seed)
            weights = read_kept(path.with_suffix(".pt"))
            assert weights is not None  # its task came first
            model.load_state_dict(weights)
            models.append(model.eval())
        if task.decode is None:
            numbers = self._measured(JointModel(models), prepared, task.seed)
        else:
            embedded, truth = self._query(prepared)
            numbers = measure_operators(models[0], prepared, embedded, truth, decode=task.decode, seed=task.seed)
        for name in ("parameters", "nodes_seen", "seconds", "cpu_seconds"):
            if all(name in part.numbers for part in parts):
                numbers[name] = sum(part.numbers[name] for part in parts)
        return {"numbers": numbers}

    def _measured(self, model: StructureModel, prepared: Prepared, seed: int) -> dict[str, float]:
        embedded, truth = self._query(prepared)
        budget = self.recipe.training.node_budget
        return measure_model(model, prepared, embedded, truth, samples=self.samples, seed=seed, node_budget=budget)

    def _query(self, prepared: Prepared) -> tuple[Float[Tensor, "n c"], FloatArray]:
        assert self.query.pos is not None
        with torch.no_grad():
            return prepared.encoder.encode(self.query), self.query.pos

    def _prepared(self, kind: str) -> tuple[Recipe, Prepared]:
        """The recipe of a kind; encoder and minisets, which all kinds with the same needs share."""
        recipe = self.recipe.change({"model": {"kind": kind}})
        needs = frozenset(getattr(recipe.model, "needs", ()))
        if needs not in self.prepared:
            prepared = prepare(recipe, self.slides, None, self.fold, self.out / "work")
            self.query.subset_genes(prepared.encoder.genes)  # genes that it lacks are reported before the training
            self.prepared[needs] = prepared
        return recipe, self.prepared[needs]


def nodes_of(minisets: MinisetDataset) -> int:
    """Nodes of all minisets: what a model sees in one epoch."""
    return sum(int(minisets[number].num_nodes) for number in range(len(minisets)))


def _write(tasks: Sequence[BenchTask], out: Path) -> tuple[tuple[RunRecord, ...], str]:
    """Table and numbers of what is finished: a long bench can be read while it runs."""
    records = tuple(RunRecord.load(task.record) for task in tasks if task.record.exists())
    table = bench_table(records)
    with whole_file(out / "table.txt") as part:
        part.write_text(table, encoding="utf-8")
    with whole_file(out / "results.json") as part:
        part.write_text(json.dumps([one.model_dump() for one in records], indent=1) + "\n", encoding="utf-8")
    return records, table
