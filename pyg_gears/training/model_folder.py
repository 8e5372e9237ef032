"""The file of a saved model, checked before a command reads anything or loads torch."""

from __future__ import annotations

from pathlib import Path

from pyg_gears.errors import expect

FILE = "model.pt"


def model_file(folder: Path) -> Path:
    """The file of a saved model.

    Args:
        folder: The model folder.

    Raises:
        InputError: when there is none.
    """
    file = folder / FILE
    expect(file.is_file(), f"expected a model folder at {folder}, found none; run `pyg-gears fit` first.")
    return file
