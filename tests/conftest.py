"""Shape checks for the functional packages, and where tests find real slides."""

from __future__ import annotations

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook(
    ["pyg_gears.geometry", "pyg_gears.targets", "pyg_gears.losses", "pyg_gears.metrics"], "beartype.beartype"
)


@pytest.fixture(scope="session")
def real_slides() -> Path:
    """Folder of real slides beside the checkout; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real slides beside the checkout")
    return folder
