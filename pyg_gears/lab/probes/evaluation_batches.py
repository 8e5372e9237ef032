"""How the probes go through minisets: a frozen model, every miniset once, results kept by miniset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.errors import expect
from pyg_gears.losses.membership import membership

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

Minisets: TypeAlias = "MinisetDataset | Sequence[Data]"
"""A dataset of minisets, or a list of them, each with targets and candidates."""


@contextmanager
def evaluation_batches(
    model: StructureModel, minisets: Minisets, node_budget: int
) -> Iterator[Iterator[tuple[list[int], Any]]]:
    """Batches of minisets on the model's device, while the model is in evaluation mode and takes no gradient.

    Args:
        model: A structure model, or a function of the same contract.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.

    Yields:
        Iterator over pairs of the minisets' numbers and their batch.

    Raises:
        InputError: when there is no miniset.
    """
    expect(len(minisets) > 0, "expected at least one miniset to probe the model with, found none; draw some.")
    loader = MinisetLoader(minisets, node_budget, shuffle=False)
    assert loader.batch_sampler is not None
    weight = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    device = torch.device("cpu") if weight is None else weight.device
    with frozen(model):
        # Without shuffling the sampler names the same minisets on every pass.
        yield ((ids, batch.to(device)) for ids, batch in zip(loader.batch_sampler, loader, strict=True))


@contextmanager
def frozen(model: object) -> Iterator[None]:
    """Evaluation mode (where the model is a module) and no gradient; its own mode comes back afterwards."""
    module = model if isinstance(model, torch.nn.Module) else torch.nn.Module()
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def miniset_means(rows: Float[Tensor, "n ..."], batch: Batch) -> Float[np.ndarray, "b ..."]:
    """Mean over the nodes of every graph, NaN left out (and the result where a graph has nothing else), in float64."""
    known = ~rows.isnan()
    values, members = rows.double().nan_to_num(nan=0.0), membership(batch, rows.size(0))
    total = values.new_zeros(members.num_graphs, *rows.shape[1:]).index_add(0, members.batch, values)
    count = torch.zeros_like(total).index_add(0, members.batch, known.double())
    return (total / count).cpu().numpy()


class MinisetTable:
    """Values of every miniset under a name, filled batch by batch: ``add`` rows, then read ``mean`` and ``spread``."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: dict[str, Float[np.ndarray, "m ..."]] = {}

    def add(self, name: str, ids: Sequence[int], values: Any) -> None:
        """Keep one value (a number or an array) for each of the minisets ``ids``."""
        values = np.asarray(values.cpu() if isinstance(values, Tensor) else values, dtype=float)
        table = self._values.setdefault(name, np.full((self._count, *values.shape[1:]), np.nan))
        table[list(ids)] = values

    def values(self, name: str) -> Float[np.ndarray, "m ..."]:
        """All values of a name, shape (m, ...), by the number of the miniset."""
        return self._values[name]

    def mean(self, name: str) -> Any:
        """Mean over the minisets, NaN left out: a float, or an array of the values' shape."""
        known = ~np.isnan(self._values[name])
        with np.errstate(invalid="ignore"):
            mean = np.where(known, self._values[name], 0.0).sum(axis=0) / known.sum(axis=0)
        return float(mean) if mean.ndim == 0 else mean

    def spread(self, name: str) -> Any:
        """Standard deviation over the minisets (of the population), NaN left out."""
        values = self._values[name]
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            square = np.where(known, (values - self.mean(name)) ** 2, 0.0).sum(axis=0) / known.sum(axis=0)
        return float(np.sqrt(square)) if square.ndim == 0 else np.sqrt(square)
