"""Untrusted files, looked through in a child process before anything of them is read here.

What can hang or crash the readers (a zeroed block, sparse indices that point outside) ends the child and not the caller.
The child loads h5py and NumPy only, for stores zarr as well.
"""

from __future__ import annotations

from pyg_gears.data.io.inspection.inspect_file import inspect_file

__all__ = ["inspect_file"]
