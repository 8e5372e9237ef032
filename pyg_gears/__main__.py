"""``python -m pyg_gears``: the command line without an installed script."""

from __future__ import annotations

from pyg_gears.cli import main

if __name__ == "__main__":
    main()
