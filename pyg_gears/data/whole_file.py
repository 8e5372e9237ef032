"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
