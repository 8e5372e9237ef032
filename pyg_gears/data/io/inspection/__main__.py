"""The child process: looks through one file and prints what it is, or what is wrong with it, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyg_gears.data.io.inspection.limits import available_memory, limit_process, start_step
from pyg_gears.data.io.inspection.node import Node, Unfit


def look_through(path: Path, form: str) -> str:
    """The kind of an HDF5 file or zarr store: ``"anndata"``, ``"10x"`` or ``"other"``.

    Raises:
        Unfit: when it must not be read.
    """
    from pyg_gears.data.io.inspection.hdf5_tree import hdf5_tree
    from pyg_gears.data.io.inspection.relatives import refuse_relatives

    if form == "hdf5":
        with hdf5_tree(path) as root:
            refuse_relatives(root)
            return check_tree(root)
    from pyg_gears.data.io.inspection.zarr_tree import zarr_tree

    with zarr_tree(path) as root:
        refuse_relatives(root)
        return check_tree(root)


def check_tree(root: Node) -> str:
    """Check a tree by the rules of its kind, which is returned."""
    from pyg_gears.data.io.inspection.anndata_rules import check_anndata, is_anndata
    from pyg_gears.data.io.inspection.tenx_rules import check_tenx, tenx_groups

    if is_anndata(root):
        check_anndata(root)
        return "anndata"
    if tenx_groups(root):
        check_tenx(root)
        return "10x"
    root.visit()
    return "other"


def verdict(path: Path, form: str = "hdf5") -> dict[str, Any]:
    """What the parent needs to know, whatever the libraries raise."""
    try:
        return {"kind": look_through(path, form)}
    except Unfit as unfit:
        return {"found": unfit.found, "remedy": unfit.remedy}
    except MemoryError:
        return {"found": "it needs more memory than there is", "remedy": None}
    except Exception as error:  # what a library says about a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return {"found": reason[:200], "remedy": None}


if __name__ == "__main__":
    limit_process(available_memory())
    start_step()
    sys.stdout.write(json.dumps(verdict(Path(sys.argv[2]), sys.argv[1])))
