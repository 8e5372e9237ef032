"""One run at a time in a folder."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyg_gears.data.leftovers import removed_at_the_end
from pyg_gears.data.whole_file import writing
from pyg_gears.errors import InputError
from pyg_gears.typing import FilePath


@contextmanager
def locked_folder(folder: FilePath, *, temporary: bool = False) -> Iterator[None]:
    """Hold a folder for the block: whoever asks for it meanwhile is refused at once.

    The lock is the kernel's, on the folder itself: no file is written, and it ends with the process, however that ends. Folders
    that had to be made are removed at the end if nothing was put into them.

    Args:
        folder: Made, with its parents, if missing.
        temporary: Remove the folder too, if it is empty at the end, where it was there before.

    Raises:
        InputError: when another run holds it, or it cannot be made.
    """
    folder = Path(folder).absolute()
    made = [path for path in (folder, *folder.parents) if not path.exists() or (temporary and path == folder)]

    def remove_empty() -> None:
        for path in made:
            path.rmdir()

    handle = _hold(folder)
    try:
        with removed_at_the_end(remove_empty):  # before the lock is given back, when another run may take the folder up
            yield
    finally:
        os.close(handle)


def _hold(folder: Path) -> int:
    while True:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(handle, folder)
            # The run that held it may have removed it meanwhile: a lock on a nameless folder keeps nobody out.
            if os.path.samestat(os.fstat(handle), os.stat(folder)):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise InputError(
                f"expected a folder that no other run uses, found {folder} in use; wait for that run, or choose another folder."
            ) from None
        warnings.warn(
            f"{folder} lies on a file system without locks ({error.strerror}): start no second run there.", stacklevel=5
        )
