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
    found, remedy = "none", "run `pyg-gears fit` first"
    if folder.is_file():
        found, remedy = (
            "a file",
            f"pass the folder {folder.parent}" if folder.name == FILE else "pass the folder that fit wrote",
        )
    elif (folder / "work").is_dir():
        found, remedy = "a fit that was stopped", "repeat its command with --resume"
    expect(file.is_file(), f"expected a model folder at {folder}, found {found}; {remedy}.")
    return file
