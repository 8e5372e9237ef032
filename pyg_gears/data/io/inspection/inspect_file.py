"""``inspect_file``: have a child process look through a file, and hear what it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pyg_gears.errors import InputError
from pyg_gears.typing import FilePath

# The child ends itself after 5 s of CPU without progress; this is for what takes no CPU, such as a drive that is gone.
WAIT_SECONDS = 60
SLOWEST_BYTES_A_SECOND = 1e6
_REMEDY = {
    "hdf5": "copy it again, or write it with anndata's write_h5ad",
    "zarr": "copy it again, or write it with anndata's write_zarr",
}


def inspect_file(path: FilePath, form: Literal["hdf5", "zarr"]) -> str:
    """Look through an HDF5 file or zarr store in a child process, before anything of it is read here.

    Every link, type, attribute and chunk is read once there. After it, h5py, zarr and anndata can read the file here
    without hanging, crashing, or opening other files. It costs 0.2 s and the time to read the file; a file that has not
    changed since is not read again.

    Args:
        path: An HDF5 file, a zarr folder or a zipped one.
        form: How it will be read here, whatever else its bytes may look like.

    Returns:
        ``"anndata"``, ``"10x"`` or ``"other"``.

    Raises:
        InputError: when it is damaged, leads out of itself, or declares far more than it stores.
    """
    path = Path(path).resolve()
    states = [file.lstat() for file in (path.rglob("*") if path.is_dir() else [path])]
    size = sum(state.st_size for state in states)
    return _inspected(path, form, size, tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states))


@lru_cache(maxsize=1024)
def _inspected(path: Path, form: str, size: int, states: tuple[tuple[int, ...], ...]) -> str:
    found, better = "", None
    try:
        done = subprocess.run(
            # -P: the folder of the caller must not stand in for h5py.
            [sys.executable, "-P", "-W", "ignore", "-m", "pyg_gears.data.io.inspection", form, str(path)],
            env={**os.environ, "PYTHONPATH": _search_path(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WAIT_SECONDS + size / SLOWEST_BYTES_A_SECOND,
        )
    except subprocess.TimeoutExpired:
        found = "reading it does not come to an end"
    else:
        if done.returncode == 0:
            answer = json.loads(done.stdout)
            if "kind" in answer:
                return str(answer["kind"])
            found, better = answer["found"], answer["remedy"]
        elif done.returncode == -getattr(signal, "SIGPROF", 0):
            found = "reading it does not come to an end"
        elif done.returncode < 0:
            found = f"reading it crashes with signal {-done.returncode}"
        else:
            raise RuntimeError(
                f"the inspection of {path} did not start: {done.stderr.decode(errors='replace')[-2000:]}"
            )
    raise InputError(
        f"expected a readable file at {path}, found a damaged or unsafe one ({found}); {better or _REMEDY[form]}."
    )


def _search_path() -> str:
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)
