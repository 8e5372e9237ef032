"""What a bench has to do: models to train, and what is made of trained ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyg_gears.errors import expect
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.models.measure_operators import MAKERS
from pyg_gears.layout.operator_merge import DECODES, Decode
from pyg_gears.training.sealed_file import read_kept


@dataclass(frozen=True)
class BenchTask:
    """One row of the table for one seed.

    Attributes:
        variant: Kind of the model; ``a+b`` for models that vote together, ``kind, eigenvectors`` for a layout by operators.
        seed: Seed of the models.
        record: File of its numbers.
        parts: Records of the trained models that it is made of; none for a model that is trained.
        decode: How merged operators become a layout, where it is one.
        kept: Whether something is made of this model, which then needs its weights.
    """

    variant: str
    seed: int
    record: Path
    parts: tuple[Path, ...] = ()
    decode: Decode | None = None
    kept: bool = False

    @property
    def weights(self) -> Path:
        """Where the weights of a trained model are kept."""
        return self.record.with_suffix(".pt")

    def finished(self) -> bool:
        """Whether nothing is left to do; a model is trained again when weights that are needed are missing or damaged."""
        if not self.record.exists():
            return False
        return not self.kept or RunRecord.load(self.record).failed is not None or read_kept(self.weights) is not None


def bench_tasks(
    kinds: Sequence[str],
    together: Sequence[tuple[str, ...]],
    operators: bool,
    seeds: Sequence[int],
    folder: Path,
) -> list[BenchTask]:
    """All tasks, models before what is made of them.

    Args:
        kinds: Kinds of models to train, those of all combinations among them.
        together: Kinds that vote together.
        operators: Whether models that make operators are also laid out by these alone.
        seeds: Seeds.
        folder: Where the records lie.

    Raises:
        InputError: for operators, where no kind makes one.
    """
    makers = [kind for kind in kinds if kind in MAKERS] if operators else []
    expect(
        bool(makers) or not operators,
        f"expected {' or '.join(MAKERS)} among the models with --operators, found {', '.join(kinds)}; add one of them.",
    )
    kept = {kind for several in together for kind in several} | set(makers)

    def path(variant: str, seed: int) -> Path:
        return folder / variant.replace(", ", "_by_") / f"seed_{seed}.json"

    def made(variant: str, several: Sequence[str], decode: Decode | None = None) -> list[BenchTask]:
        return [
            BenchTask(variant, seed, path(variant, seed), tuple(path(kind, seed) for kind in several), decode)
            for seed in seeds
        ]

    tasks = [BenchTask(kind, seed, path(kind, seed), kept=kind in kept) for kind in kinds for seed in seeds]
    for several in together:
        tasks += made("+".join(several), several)
    for kind in makers:
        for decode in DECODES:
            tasks += made(f"{kind}, {decode}", [kind], decode)
    return tasks
