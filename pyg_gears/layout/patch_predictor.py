"""Predict every patch with every voter, in batches, with shards on disk that a kill cannot take back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.devices import repeatable
from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.layout.dask_shards import dask_cluster
from pyg_gears.layout.pair_certainty import PairCertainty, pair_certainty
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.layout.radii import latent_radii, radii
from pyg_gears.layout.settings import LayoutSettings
from pyg_gears.layout.shards import Shard, read_shard, write_shard
from pyg_gears.ranks import by_first, current_ranks, deal, gather
from pyg_gears.seeds import child_seed
from pyg_gears.transforms import CandidateGraph
from pyg_gears.typing import FilePath

DEFAULT_NOISE = 0.05
"""Noise of further samples where neither the settings nor the model name a level."""

Model = Callable[..., Any]
"""``model(batch) -> output`` with ``output.pos`` (n, 2); a noisy sample also passes ``noise`` and ``generator``."""


class WeightedLayout(NamedTuple):
    """A layout of all cells that votes beside the models.

    Attributes:
        pos: Coordinates in any gauge, float64, shape (n, 2), finite.
        weight: Weight of its distances, above 0; the models weigh 1 together.
    """

    pos: Float[np.ndarray, "n 2"]
    weight: float


class PredictionOutput(NamedTuple):
    """Coordinates of every entry of ``patches.cells``, each patch in its own gauge, once per voter."""

    pos: Float[np.ndarray, "v total 2"]
    """Shape (voters, total, 2), float32, gauge-fixed per patch (with ``scales="model"`` in the model's own unit); voters run over
    models, then over samples, then over the regressions."""
    resumed: int
    """Shards that were read from disk instead of being computed."""
    certainty: PairCertainty
    """How sure the models are of the distances, patch by patch; without a pair unless ``settings.certainty`` asks for it."""


@dataclass(frozen=True)
class PatchPredictor:
    """Models and everything that decides how they are run on patches of cells.

    Each patch gets its own candidate graph. A noisy sample of a patch has its own generator, on the CPU and seeded by (seed,
    patch, model, sample): neither the batch that the patch shares nor the device makes a difference beyond rounding.

    Raises:
        InputError: without a model.
    """

    models: Sequence[Model]
    """Structure models; each with each of its samples is a voter. Modules run in evaluation mode on ``device`` and are given
    back as they were."""
    candidates: CandidateGraph
    """How the graph of a patch is built, on which cells attend to each other: as the models were trained."""
    settings: LayoutSettings = field(default_factory=LayoutSettings)
    seed: int = 0
    """Seed of the patches, of the longer distances and of the noise."""
    device: str | torch.device = "cpu"
    """Where the models run; the rest of a layout is computed on the CPU."""
    shard_dir: FilePath | None = None
    """Folder that keeps finished shards; a shard of the same models, cells, patches and settings is reused."""
    progress: bool = True
    """Show a bar on stderr when that is a terminal."""
    regressions: Sequence[WeightedLayout] = ()
    """Layouts of all cells by other means; each votes in every patch with its part of the patch, in the patch's gauge."""

    def __post_init__(self) -> None:
        expect(len(self.models) > 0, "expected at least one model, found none; pass a trained model.")

    @property
    def weights(self) -> Float[np.ndarray, " v"]:
        """Weight of every voter, with sum 1; the models have equal ones, which are 1 together before that."""
        votes = len(self.models) * self.settings.samples
        weight = np.array([1.0 / votes] * votes + [layout.weight for layout in self.regressions])
        return weight / weight.sum()

    def predict(self, x: Float[Tensor, "n c"], patches: PatchesOutput) -> PredictionOutput:
        """Lay out every patch from embeddings alone.

        The shards are dealt to the processes of this run (:mod:`pyg_gears.ranks`) or, inside :func:`~pyg_gears.layout.on_dask`,
        to a cluster's workers; what comes out is the same. The first process alone reads and writes ``shard_dir``.

        Args:
            x: Embedding of all cells, shape (n, c).
            patches: What to predict.

        Returns:
            Coordinates of all voters, in every process.

        Raises:
            InputError: when a model returns coordinates that are not finite, when the processes of this run were given different
                inputs, and what :func:`~pyg_gears.layout.on_dask` names.
        """
        from tqdm import tqdm

        x = x.detach().to("cpu", torch.float32)
        identity = self._identity(x, patches) if self.shard_dir is not None or current_ranks().count > 1 else ""
        expect(
            len(set(gather(identity))) == 1,
            "expected the same models, cells and settings in every process of this run, found different ones; start the same "
            "call everywhere.",
        )
        own = len(self.models) * self.settings.samples
        pos = np.empty((own + len(self.regressions), len(patches.cells), 2), dtype=np.float32)
        self._fill_regressions(patches, pos[own:])
        step = self.settings.shard_patches
        chosen = [range(first, min(first + step, len(patches))) for first in range(0, len(patches), step)]
        certainty: dict[int, PairCertainty] = {}
        terminal = sys.stderr is not None and sys.stderr.isatty()  # a process may have none
        silent = not (self.progress and current_ranks().first and terminal)
        with tqdm(total=len(patches), desc="patches", unit="patch", file=sys.stderr, disable=silent) as bar:

            def keep(number: int, shard: Shard) -> None:
                span = chosen[number]
                pos[:own, patches.ptr[span.start] : patches.ptr[span.stop]] = shard.pos
                certainty[number] = shard.certainty
                bar.update(len(span))

            missing = []
            for number in range(len(chosen)):
                found = self._read(number, identity)
                if found is None:
                    missing.append(number)
                else:
                    keep(number, found)
            # Closed at once also where a shard cannot be written: the models are on loan as long as it is open.
            with closing(self._compute(x, patches, [chosen[number] for number in missing])) as work:
                for number, shard in zip(missing, work, strict=True):
                    if self.shard_dir is not None and current_ranks().first:
                        write_shard(self.shard_dir, number, identity, shard)
                    keep(number, shard)
        joined = PairCertainty.join([certainty[number] for number in range(len(chosen))])
        return PredictionOutput(pos, len(chosen) - len(missing), joined)

    def _read(self, number: int, identity: str) -> Shard | None:
        """A finished shard; of several processes the first one reads it."""
        folder = self.shard_dir
        return None if folder is None else by_first(lambda: read_shard(folder, number, identity))

    def _compute(self, x: Float[Tensor, "n c"], patches: PatchesOutput, chosen: Sequence[range]) -> Generator[Shard]:
        """Shards in the order of ``chosen``: by Dask's workers, or dealt to the processes of this run."""
        if (cluster := dask_cluster()) is not None:
            # What a task does not need is not sent.
            light = replace(self, shard_dir=None, regressions=(), progress=False)
            yield from cluster.shards(light, x, patches, chosen)
            return
        with self.on_device():
            yield from deal([partial(self.predict_some, x, patches, span) for span in chosen])

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Inside, the models are on their device in evaluation mode, and repeatable; afterwards as they were."""
        with repeatable(self.device), ExitStack() as stack:
            for model in self.models:
                stack.enter_context(_on_loan(model, torch.device(self.device)))
            yield

    def _fill_regressions(self, patches: PatchesOutput, pos: Float[np.ndarray, "r total 2"]) -> None:
        """Each regression's layout of every patch, in the patch's gauge."""
        of_patch = torch.from_numpy(np.repeat(np.arange(len(patches)), np.diff(patches.ptr)))
        for number, layout in enumerate(self.regressions):
            # In the model's unit a slide has radius 1.
            whole = gauge_fix(torch.from_numpy(layout.pos)) if self._own_unit else torch.from_numpy(layout.pos)
            part = whole[torch.from_numpy(patches.cells)]
            fixed = gauge_fix(part, of_patch, len(patches))
            if self._own_unit:
                fixed = fixed * radii(part, of_patch, len(patches))[of_patch, None]
            pos[number] = fixed.numpy()

    def predict_some(self, x: Float[Tensor, "n c"], patches: PatchesOutput, chosen: range, first: int = 0) -> Shard:
        """All voters of the models on some consecutive patches, inside :meth:`on_device`.

        Args:
            x: Embedding, shape (n, c), float32, on the CPU.
            patches: Patches of these cells.
            chosen: Which of them.
            first: Number of patch 0 among all patches of the layout, where these are only some of them; it decides on the noise.
        """
        parts, certainty = [], []
        for group in _groups(patches, chosen, self.settings.batch_nodes):
            graphs = [self.candidates(Data(x=x[torch.from_numpy(patches[patch])])) for patch in group]
            batch = Batch.from_data_list(graphs).to(self.device)
            found = [
                self._vote(number, sample, batch, [first + patch for patch in group])
                for number in range(len(self.models))
                for sample in range(self.settings.samples)
            ]
            parts.append(torch.stack([pos for pos, _ in found]))
            certainty.append(pair_certainty([output for _, output in found if output is not None], batch.ptr))
        return Shard(torch.cat(parts, dim=1).numpy(), PairCertainty.join(certainty))

    def _vote(self, number: int, sample: int, batch: Batch, group: list[int]) -> tuple[Float[Tensor, "m 2"], Any]:
        """One voter on one batch; sample 0 is the model's own noise-free answer.

        Its output comes with it where its certainty is asked for.
        """
        model = self.models[number]
        with torch.inference_mode():
            if sample == 0:
                outputs = [model(batch)]
            else:
                # One graph at a time: a generator shared by a batch would tie a patch's noise to its company.
                outputs = []
                for patch, graph in zip(group, batch.to_data_list(), strict=True):
                    generator = torch.Generator().manual_seed(child_seed(self.seed, "noise", patch, number, sample))
                    single = Batch.from_data_list([graph])
                    outputs.append(model(single, noise=self._noise(model), generator=generator))
            fixed: Tensor = gauge_fix(torch.cat([output.pos for output in outputs]).double(), batch.batch)
            if self._own_unit:
                fixed = fixed * latent_radii(outputs, batch)[batch.batch, None]
            fixed = fixed.float().cpu()
        bad = int((~torch.isfinite(fixed)).any(dim=1).sum())
        expect(
            bad == 0,
            f"expected finite coordinates from the model, found {bad} cells without; check the model and the embedding.",
        )
        return fixed, outputs[0] if sample == 0 and self.settings.certainty else None

    @property
    def _own_unit(self) -> bool:
        return self.settings.scales == "model"

    def _noise(self, model: Model) -> float:
        noise = self.settings.noise
        return float(getattr(model, "noise", DEFAULT_NOISE)) if noise is None else noise

    def _identity(self, x: Float[Tensor, "n c"], patches: PatchesOutput) -> str:
        """Everything that a shard depends on."""
        models = [
            (type(model).__qualname__, self._noise(model), dict(getattr(model, "state_dict", dict)()))
            for model in self.models
        ]
        counts = (
            self.settings.samples,
            self.settings.shard_patches,
            self.settings.scales,
            self.settings.certainty,
            self.seed,
        )
        return fingerprint(counts, self.candidates, x, patches.cells, patches.ptr, models)


@contextmanager
def _on_loan(model: Model, device: torch.device) -> Iterator[None]:
    """A module in evaluation mode on ``device``; afterwards in the mode and on the device it had."""
    if not isinstance(model, torch.nn.Module):
        yield
        return
    training = model.training
    home = next((tensor.device for tensor in chain(model.parameters(), model.buffers())), device)
    try:
        model.to(device).eval()
        yield
    finally:
        model.to(home).train(training)


def _groups(patches: PatchesOutput, chosen: range, budget: int) -> Iterator[list[int]]:
    """Consecutive patches of at most ``budget`` cells together; a larger patch alone."""
    group: list[int] = []
    total = 0
    for patch in chosen:
        size = len(patches[patch])
        if group and total + size > budget:
            yield group
            group, total = [], 0
        group.append(patch)
        total += size
    if group:
        yield group
