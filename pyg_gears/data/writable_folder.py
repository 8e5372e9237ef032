"""Whether a folder can be written to, asked before any work is done for it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath


def check_writable_folder(folder: FilePath) -> None:
    """Check that files can be written into a folder, or that a missing one can be made; nothing is left there.

    Permission bits are not enough (read-only mounts, full disks): a small file is written.

    Args:
        folder: The folder; where it is missing, the nearest parent that exists is tried.

    Raises:
        InputError: when a file is in its place, or nothing can be written.
    """
    folder = existing = Path(folder).absolute()
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        expect(
            existing.is_dir(),
            f"expected a folder to write to, found a file in the place of {existing}; name another.",
        )
        # Without a name where the system can: another run still sees an empty folder.
        with TemporaryFile(dir=existing) as trial:
            trial.write(b" ")
            trial.flush()
    except OSError as error:
        raise InputError(f"expected a writable folder, found {existing} ({error.strerror}); name another.") from None
