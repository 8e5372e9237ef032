"""Predict every patch with every voter, in batches, with shards on disk that a kill cannot take back."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.layout.settings import InferenceSettings
from pyg_gears.typing import FilePath

DEFAULT_NOISE = 0.05

Model = Callable[..., Any]
"""``model(batch) -> output`` with ``output.pos`` (n, 2); a noisy sample also passes ``noise`` and ``generator``."""


class PredictionOutput(NamedTuple):
    """Coordinates of every entry of ``patches.cells``, each patch in its own gauge, once for every voter."""

    pos: Float[np.ndarray, "v total 2"]
    """Shape (voters, total, 2), float32, gauge-fixed per patch; voters run over models, then over samples."""
    resumed: int
    """Shards that were read from disk instead of being computed."""


def predict_patches(
    models: Model | Sequence[Model],
    x: Float[Tensor, "n c"],
    patches: PatchesOutput,
    settings: InferenceSettings,
    seed: int = 0,
    shard_dir: FilePath | None = None,
    progress: bool = True,
    device: str | torch.device = "cpu",
) -> PredictionOutput:
    """Predict the layout of every patch from embeddings alone.

    Each patch gets its own candidate graph. A noisy sample of a patch has its own generator, seeded by (seed, patch,
    model, sample), so that the batch it shares makes no difference.

    Args:
        models: One model or an ensemble. Modules are moved to ``device`` and run in evaluation mode.
        x: Embedding of all cells, shape (n, c).
        patches: What to predict.
        settings: ``samples``, ``noise``, ``candidates``, ``batch_nodes`` and ``shard_patches`` are used.
        seed: Seed of the noise.
        shard_dir: Folder that keeps finished shards; a shard of the same models, cells, patches and settings is reused.
        progress: Show a bar on stderr when that is a terminal.
        device: Where the models run.

    Returns:
        Coordinates of all voters.

    Raises:
        InputError: If a model returns coordinates that are not finite.
    """
    from tqdm import tqdm

    voters = [models] if callable(models) else list(models)
    expect(len(voters) > 0, "expected at least one model, found none; pass a trained model")
    x = x.detach().to("cpu", torch.float32)
    where = torch.device(device)
    training = [isinstance(model, torch.nn.Module) and model.training for model in voters]
    for model in voters:
        if isinstance(model, torch.nn.Module):
            model.to(where).eval()
    identity = _fingerprint(voters, x, patches, settings, seed) if shard_dir is not None else ""
    pos = np.empty((len(voters) * settings.samples, len(patches.cells), 2), dtype=np.float32)
    resumed = 0
    with tqdm(
        total=len(patches),
        desc="patches",
        unit="patch",
        file=sys.stderr,
        disable=not (progress and sys.stderr.isatty()),
    ) as bar:
        for number, first in enumerate(range(0, len(patches), settings.shard_patches)):
            last = min(first + settings.shard_patches, len(patches))
            path = None if shard_dir is None else Path(shard_dir) / f"shard_{number:05d}.npz"
            shard = None if path is None else _read_shard(path, identity)
            if shard is None:
                shard = _predict_shard(voters, x, patches, range(first, last), settings, seed, where)
                if path is not None:
                    _write_shard(path, identity, shard)
            else:
                resumed += 1
            pos[:, patches.ptr[first] : patches.ptr[last]] = shard
            bar.update(last - first)
    for model, was_training in zip(voters, training, strict=True):
        if isinstance(model, torch.nn.Module):
            model.train(was_training)
    return PredictionOutput(pos, resumed)


def _predict_shard(
    voters: list[Model],
    x: Float[Tensor, "n c"],
    patches: PatchesOutput,
    chosen: range,
    settings: InferenceSettings,
    seed: int,
    device: torch.device,
) -> Float[np.ndarray, "v m 2"]:
    """All voters on some consecutive patches."""
    parts = []
    for group in _groups(patches, chosen, settings.batch_nodes):
        batch = _collate(x, patches, group, settings).to(device)
        rows = []
        for number, model in enumerate(voters):
            for sample in range(settings.samples):
                rows.append(_vote(model, batch, group, (seed, number, sample), settings.noise))
        parts.append(torch.stack(rows))
    return torch.cat(parts, dim=1).numpy()


def _vote(
    model: Model, batch: Any, group: list[int], key: tuple[int, int, int], noise: float | None
) -> Float[Tensor, "m 2"]:
    """One voter on one batch; sample 0 is the model's own noise-free answer."""
    with torch.inference_mode():
        if key[2] == 0:
            pos = model(batch).pos
        else:
            # One graph at a time: a generator shared by a batch would tie a patch's noise to its company.
            level = float(getattr(model, "noise", DEFAULT_NOISE)) if noise is None else noise
            outputs = []
            for patch, graph in zip(group, batch.to_data_list(), strict=True):
                state = np.random.SeedSequence([key[0], patch, key[1], key[2]]).generate_state(1, np.uint64)[0]
                generator = torch.Generator(device=batch.x.device).manual_seed(int(state >> np.uint64(1)))
                outputs.append(model(_single(graph), noise=level, generator=generator).pos)
            pos = torch.cat(outputs)
        fixed: Tensor = gauge_fix(pos.double(), batch.batch).float().cpu()
    bad = int((~torch.isfinite(fixed)).any(dim=1).sum())
    expect(
        bad == 0,
        f"expected finite coordinates from the model, found {bad} cells without; check the model and the embedding",
    )
    return fixed


def _single(graph: Any) -> Any:
    from torch_geometric.data import Batch

    return Batch.from_data_list([graph])


def _collate(x: Float[Tensor, "n c"], patches: PatchesOutput, group: list[int], settings: InferenceSettings) -> Any:
    from torch_geometric.data import Batch, Data

    graphs = [settings.candidates(Data(x=x[torch.from_numpy(patches[patch])])) for patch in group]
    return Batch.from_data_list(graphs)


def _groups(patches: PatchesOutput, chosen: range, budget: int) -> Iterator[list[int]]:
    """Consecutive patches of at most ``budget`` cells together; a larger patch alone."""
    group: list[int] = []
    total = 0
    for patch in chosen:
        size = int(patches.ptr[patch + 1] - patches.ptr[patch])
        if group and total + size > budget:
            yield group
            group, total = [], 0
        group.append(patch)
        total += size
    if group:
        yield group


def _fingerprint(
    voters: list[Model], x: Float[Tensor, "n c"], patches: PatchesOutput, settings: InferenceSettings, seed: int
) -> str:
    """Everything that a shard depends on, the batch size left out."""
    digest = hashlib.sha256()
    used = (settings.samples, settings.noise, settings.shard_patches, seed)
    digest.update(repr((used, tuple(x.shape), len(voters))).encode())
    digest.update(fingerprint(settings.candidates).encode())
    digest.update(x.contiguous().numpy().tobytes())
    flat: tuple[Int[np.ndarray, " m"], ...] = (patches.cells, patches.ptr)
    for array in flat:
        digest.update(np.ascontiguousarray(array).tobytes())
    for model in voters:
        digest.update(type(model).__qualname__.encode())
        if isinstance(model, torch.nn.Module):
            for name, value in sorted(model.state_dict().items()):
                digest.update(name.encode())
                digest.update(value.detach().to("cpu").contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read_shard(path: Path, identity: str) -> Float[np.ndarray, "v m 2"] | None:
    """The stored coordinates, or None where there are none for these inputs."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return np.asarray(stored["pos"]) if str(stored["identity"]) == identity else None
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _write_shard(path: Path, identity: str, pos: Float[np.ndarray, "v m 2"]) -> None:
    """Whole or not at all: written beside its place and moved there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    with open(partial, "wb") as file:
        np.savez(file, pos=pos, identity=np.array(identity))
    os.replace(partial, path)
