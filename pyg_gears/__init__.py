"""pyg_gears: the place of dissociated cells, learned from a few spatial slides, on PyTorch Geometric.

The top level loads nothing heavy: ``Gears``, ``load`` and the sub-packages are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.fitted_gears import FittedGears
    from pyg_gears.gears import Gears
    from pyg_gears.training.recipe import Recipe
    from pyg_gears.typing import FilePath

__version__ = "0.2.0"

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


__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=[
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
        "spectral",
        "targets",
        "testing",
        "training",
        "transfer",
        "transforms",
        "typing",
    ],
    submod_attrs={"fitted_gears": ["FittedGears"], "gears": ["Gears"], "training.recipe": ["Recipe"]},
)
