"""The saved model: one file of tensors and plain values, read without running any code from it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import InputError, expect
from pyg_gears.training.migrations import FORMAT, upgrade

FILE = "model.pt"


def save_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Write ``model.pt`` and, for people, ``recipe.yaml`` into the folder, each whole or not at all."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "recipe.yaml") as part:
        part.write_text(yaml.safe_dump(content["recipe"], sort_keys=False))
    with whole_file(folder / FILE) as part:
        torch.save({"format": FORMAT, **content}, part)


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Read ``model.pt`` with ``weights_only=True``, of this format or an earlier one.

    Raises:
        InputError: when the folder holds no model, a damaged one, or one of a format that this version does not read.
    """
    file = folder / FILE
    expect(file.is_file(), f"expected a model folder with {FILE} at {folder}, found none; run `pyg-gears fit` first.")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        raise InputError(f"expected a readable model in {file}, found a damaged file; fit the model again.") from error
    expect(
        isinstance(content, dict) and "format" in content,
        f"expected a model of pyg-gears in {file}, found something else; fit the model again.",
    )
    return upgrade(content, file)


def claim_folder(work: Path, key: str) -> None:
    """Mark a work folder as belonging to the run with this key, or refuse the folder of another run.

    Raises:
        InputError: when the folder was begun with other slides, cells or another recipe.
    """
    mark = work / "run"
    if mark.exists():
        expect(
            mark.read_text() == key,
            f"expected the recipe, slides and cells of the run begun in {work}, found different ones; resume with the same "
            "call, or choose another folder.",
        )
        return
    work.mkdir(parents=True, exist_ok=True)
    with whole_file(mark) as part:
        part.write_text(key)
