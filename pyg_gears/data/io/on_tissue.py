"""The spots of a table that lie on tissue."""

from __future__ import annotations

import warnings

import numpy as np

from pyg_gears.data.io.obs_words import obs_words, plain_name, read_column
from pyg_gears.data.io.source import Source
from pyg_gears.errors import expect
from pyg_gears.typing import IntArray

OFF = ("0", "0.0", "false", "no", "f")
ON = ("1", "1.0", "true", "yes", "t")


def rows_on_tissue(source: Source) -> IntArray:
    """The rows that ``obs["in_tissue"]`` does not deny; all where there is no such column.

    Raises:
        InputError: when none is left, or the column holds something else than yes and no.
    """
    n = len(source.row_names("obs"))
    column = next((key for key in sorted(source.keys("obs")) if plain_name(key) == "intissue"), None)
    if column is None:
        return np.arange(n)
    words = [None if word is None else word.lower() for word in obs_words(read_column(source, "obs", column))]
    off, unsaid = np.array([word in OFF for word in words]), np.array([word is None for word in words])
    other = next((word for word in words if word is not None and word not in OFF + ON), None)
    expect(
        other is None,
        f"{source.name}: expected 0 or 1 in obs[{column!r}], found {other!r}; write 1 for spots on the tissue.",
    )
    expect(
        not off.all(),
        f"{source.name}: expected spots on the tissue, found obs[{column!r}] to be 0 for all {n}; "
        "correct or remove the column.",
    )
    if off.any():
        warnings.warn(
            f"{source.name}: {off.sum()} of {n} spots lie off the tissue (obs[{column!r}] is 0) and are left out.",
            stacklevel=2,
        )
    if unsaid.any():
        warnings.warn(
            f"{source.name}: obs[{column!r}] has no value for {unsaid.sum()} of {n} spots; these are kept.",
            stacklevel=2,
        )
    return np.flatnonzero(~off)
