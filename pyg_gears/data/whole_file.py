"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyg_gears.data.leftovers import part_of, removed_at_the_end
from pyg_gears.errors import InputError, StorageError, storage_reason
from pyg_gears.typing import FilePath


@contextmanager
def whole_file(path: FilePath) -> Iterator[Path]:
    """Write to a temporary file beside ``path``; it takes the name ``path`` only when the block ends without an error.

    The temporary file lies in the same folder, since only a rename within one file system is atomic. A process that is
    killed leaves at most that hidden file behind; two processes that write the same path each put a whole file there.
    An existing file is replaced: callers at a public door refuse it first.

    Args:
        path: The final file.

    Yields:
        The temporary path to write to; it keeps the suffix.

    Raises:
        StorageError: when the file system refuses it: no room, no permission, too large a file.
    """
    path = Path(path)
    temporary = part_of(path)
    with removed_at_the_end(temporary.unlink), writing(path):
        yield temporary
        os.replace(temporary, path)


@contextmanager
def writing(path: FilePath) -> Iterator[None]:
    """Around writing to ``path``, and nothing else: what the file system refuses is said in one sentence.

    Raises:
        StorageError: when the file system refuses to write.
        InputError: when a folder cannot be made where a file is.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"expected a folder to write to, found a file in the place of {path}; name another.") from None
    except (OSError, RuntimeError) as error:
        reason = storage_reason(error)
        if reason is None:
            raise
        raise StorageError(
            f"expected to be able to write {path}, found {reason!r}; make room or give permission"
        ) from error
