"""A folder of results that appears whole or not at all, and JSON without NaN."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pyg_gears.data.io.anndata_out import check_output
from pyg_gears.data.leftovers import part_of, removed_at_the_end
from pyg_gears.errors import InputError, storage_reason
from pyg_gears.typing import FilePath


def check_report_folder(folder: FilePath) -> None:
    """Check that results can be written to a new or empty folder, before any work is done for them.

    Raises:
        InputError: when it holds something, or cannot be made.
    """
    folder = Path(folder)
    if not (folder.is_dir() and not any(folder.iterdir())):
        check_output(folder)


@contextmanager
def report_folder(folder: FilePath) -> Iterator[Path]:
    """Write into a hidden folder next to ``folder``; it takes that name only when the block ends without an error.

    Args:
        folder: A new or empty folder.

    Yields:
        The folder to write to.

    Raises:
        InputError: when the folder cannot be written.
    """
    folder = Path(folder)
    temporary = part_of(folder)
    with removed_at_the_end(partial(shutil.rmtree, temporary, ignore_errors=True)):
        try:
            temporary.mkdir()
            yield temporary
            # An existing empty folder is replaced by the full one in one step.
            os.replace(temporary, folder)
        except OSError as error:
            reason = storage_reason(error)
            if reason is None:
                raise
            raise InputError(
                f"expected a writable folder at {folder}, found {reason!r}; make room or name another."
            ) from error


def plain(value: Any) -> Any:
    """The value in JSON's types: mappings, lists, Python numbers; what is not finite becomes None.

    >>> plain({"a": (np.float32(0.5), float("nan"))})
    {'a': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
