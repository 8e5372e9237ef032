"""Shards of a layout as tasks of a Dask cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pyg_gears import __version__
from pyg_gears.devices import find_device
from pyg_gears.errors import InputError, expect
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.ranks import current_ranks

if TYPE_CHECKING:
    from pyg_gears.layout.patch_predictor import PatchPredictor
    from pyg_gears.layout.shards import Shard

AHEAD = 2
"""Tasks that are sent for every thread of the workers before the first result is fetched."""

_cluster: ContextVar[DaskCluster | None] = ContextVar("cluster", default=None)
_one_at_a_time = Lock()


@dataclass(frozen=True)
class DaskCluster:
    """A connected cluster, and where its workers run the models."""

    client: Any
    """``distributed.Client``."""
    device: str
    """Name of the device, as each worker finds it."""

    def shards(
        self, predictor: PatchPredictor, x: Tensor, patches: PatchesOutput, chosen: Sequence[range]
    ) -> Iterator[Shard]:
        """The shards of some patches, in order; each task gets the cells of its own patches and nothing of the rest.

        Args:
            predictor: Models and settings.
            x: Embedding of all cells, shape (n, c).
            patches: The patches.
            chosen: The patches of each shard.

        Raises:
            InputError: when a worker has other versions.
        """
        if not chosen:
            return
        sent = self.client.scatter(predictor, broadcast=True, hash=False)
        threads = sum(self.client.nthreads().values())
        waiting: deque[Any] = deque()
        for span in chosen:
            part, cells = _part(patches, span)
            waiting.append(
                self.client.submit(
                    _task,
                    sent,
                    x[torch.from_numpy(cells)],
                    part,
                    span.start,
                    self.device,
                    _versions(),
                    torch.get_num_threads(),
                    pure=False,
                )
            )
            if len(waiting) >= AHEAD * max(1, threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def on_dask(scheduler: Any, *, device: str = "auto", timeout: float = 60.0) -> Iterator[None]:
    """Inside, layouts of more than one patch are predicted by the workers of a Dask cluster.

    The workers need the same versions of pyg_gears and torch. On the same kind of processor, with the same number of threads,
    the layout has the same bytes as without them. All but the prediction of patches stays in this process, and so does
    ``shard_dir``.

    Args:
        scheduler: Address of the scheduler, or a ``distributed.Client``, which stays open.
        device: Where the workers run the models: "auto", "cpu" or "cuda".
        timeout: Seconds to wait for the scheduler and a first worker.

    Raises:
        InputError: without the package ``distributed``, when there is no scheduler at the address or no worker has joined it in
            time, or in a run of several processes.

    >>> with on_dask("tcp://10.0.0.1:8786"):  # doctest: +SKIP
    ...     found = fitted.reconstruct("cells.h5ad")
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "expected the package distributed for a Dask cluster, found none; pip install 'pyg-gears[dask]'."
        ) from error
    expect(
        current_ranks().count == 1,
        f"expected one process with a Dask cluster, found {current_ranks().count}; leave out the launcher, or the cluster.",
    )
    with ExitStack() as stack:
        client = scheduler
        try:
            if not isinstance(scheduler, Client):
                client = Client(scheduler, timeout=timeout, set_as_default=False)
                stack.callback(client.close)
            client.wait_for_workers(1, timeout=timeout)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"expected a Dask scheduler with workers at {scheduler}, found none in {timeout:g} s; start them, or correct "
                "the address."
            ) from error
        token = _cluster.set(DaskCluster(client, device))
        try:
            yield
        finally:
            _cluster.reset(token)


def dask_cluster() -> DaskCluster | None:
    """The cluster of the :func:`on_dask` around this call; None outside."""
    return _cluster.get()


def _part(patches: PatchesOutput, span: range) -> tuple[PatchesOutput, np.ndarray]:
    """Some consecutive patches as patches of their own cells alone, and these cells."""
    ptr = patches.ptr[span.start : span.stop + 1]
    cells, place = np.unique(patches.cells[ptr[0] : ptr[-1]], return_inverse=True)
    part = PatchesOutput(place, ptr - ptr[0], patches.is_global[span.start : span.stop], len(cells))
    return part, cells


def _versions() -> str:
    return f"pyg-gears {__version__} and torch {version('torch').partition('+')[0]}"


def _task(
    predictor: PatchPredictor, x: Tensor, patches: PatchesOutput, first: int, device: str, versions: str, threads: int
) -> Shard:
    """One shard, in a worker."""
    expect(
        versions == _versions(),
        f"expected {versions} in Dask's workers, found {_versions()}; install the same there.",
    )
    # Shards of one process take turns: the models and their device are shared by its threads.
    with _one_at_a_time:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            own = replace(predictor, device=find_device(device))
            with own.on_device():
                return own.predict_some(x, patches, range(len(patches)), first)
        finally:
            torch.set_num_threads(before)
