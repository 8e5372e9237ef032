"""What a run must not leave behind: removed when a block ends, when the process is stopped, or by the next run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PART = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)-[0-9a-f]{8}\.part(?P<suffix>\..*)?")
_REMOVALS: dict[object, Callable[[], None]] = {}


@contextmanager
def removed_at_the_end(remove: Callable[[], None]) -> Iterator[None]:
    """Call ``remove`` when the block ends, or from :func:`remove_leftovers` if the process is stopped within it."""
    key = object()
    _REMOVALS[key] = remove
    try:
        yield
    finally:
        with suppress(OSError):
            remove()
        _REMOVALS.pop(key, None)


def remove_leftovers() -> None:
    """Remove what open blocks of :func:`removed_at_the_end` would remove, the innermost first."""
    for remove in reversed(list(_REMOVALS.values())):
        with suppress(OSError):
            remove()


def part_of(path: Path) -> Path:
    """A hidden name beside ``path`` for what is being written; it keeps the suffix and tells the process."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{os.urandom(4).hex()}.part{path.suffix}")


def remove_parts(folder: Path, of: Path | None = None) -> None:
    """Remove what killed processes were writing.

    Args:
        folder: Where to look. Without ``of`` with all folders inside; the caller must hold the folder's lock.
        of: Only unfinished files of this name, and only those whose process has ended.
    """
    for path in list(folder.rglob(".*.part*") if of is None else folder.glob(".*.part*")):
        found = _PART.fullmatch(path.name)
        if found is None or (
            of is not None
            and ((found["name"], found["suffix"] or "") != (of.stem, of.suffix) or _alive(int(found["pid"])))
        ):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
