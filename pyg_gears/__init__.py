"""pyg_gears: the place of dissociated cells, learned from a few spatial slides, on PyTorch Geometric.

The top level loads nothing heavy: ``Gears``, ``load`` and the sub-packages are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_gears.fitted_gears import FittedGears
    from pyg_gears.gears import Gears
    from pyg_gears.training.recipe import Recipe
    from pyg_gears.typing import FilePath

__version__ = "0.1.0"

_HOME = {"FittedGears": "pyg_gears.fitted_gears", "Gears": "pyg_gears.gears", "Recipe": "pyg_gears.training.recipe"}
_ROOMS = (
    "baselines",
    "data",
    "encoders",
    "errors",
    "geometry",
    "graphs",
    "lab",
    "layout",
    "losses",
    "metrics",
    "models",
    "nn",
    "report",
    "targets",
    "testing",
    "training",
    "transforms",
    "typing",
)

__all__ = ["FittedGears", "Gears", "Recipe", "__version__", "load"]


def load(folder: FilePath) -> FittedGears:
    """Read a model that ``pyg-gears fit`` or :meth:`FittedGears.save` wrote; nothing in the file is executed.

    Args:
        folder: The model folder.

    Raises:
        InputError: when there is no readable model.
    """
    from pyg_gears.fitted_gears import FittedGears

    return FittedGears.load(folder)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"pyg_gears.{name}")
    raise AttributeError(f"module 'pyg_gears' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
