"""Harmony: a correction that moves the spots of all slides at once until clusters of them mix slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def harmonize(xs: Sequence[Float[Tensor, "n c"]], *, seed: int = 0) -> list[Float[Tensor, "n c"]]:
    """Correct the embeddings of all slides together by harmonypy, with its defaults.

    It reads every slide that it corrects: there is no map that a further slide could be passed through.

    Args:
        xs: Embedding of each slide, shape (n, c) each.
        seed: Seed of its clusters.

    Returns:
        The corrected embeddings, in the order given.

    Raises:
        ImportError: without harmonypy.

    Source: Korsunsky et al., Fast, sensitive and accurate integration of single-cell data with Harmony, 2019.
    """
    harmony = imported_harmony()
    sizes = [len(x) for x in xs]
    pooled = torch.cat(list(xs)).double().numpy()
    labels = {"slide": np.repeat(np.arange(len(xs)), sizes)}
    # Channels by spots: it would take a square matrix for that in any case.
    found = harmony.run_harmony(
        np.ascontiguousarray(pooled.T),
        labels,
        "slide",
        verbose=False,
        random_state=seed,
        ncores=torch.get_num_threads(),
    )
    corrected = torch.from_numpy(np.asarray(found.Z_corr, dtype=np.float32))
    return list(corrected.split(sizes))


def imported_harmony() -> Any:
    """The module harmonypy.

    Raises:
        ImportError: when it is not installed.
    """
    try:
        import harmonypy
    except ImportError as error:
        raise ImportError("Harmony needs harmonypy: pip install 'pyg-gears[harmony]'") from error
    return harmonypy
