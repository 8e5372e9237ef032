"""The saved model: one file of tensors and plain values, read without running any code from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import InputError, expect

FORMAT = 3
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
    """Read ``model.pt`` with ``weights_only=True``.

    Raises:
        InputError: when the folder holds no model, a damaged one, or one of another format.
    """
    file = folder / FILE
    expect(file.is_file(), f"expected a model folder with {FILE} at {folder}, found none; run `pyg-gears fit` first.")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"expected a readable model in {file}, found a damaged file; fit the model again.") from error
    found = content.get("format") if isinstance(content, dict) else None
    expect(
        found == FORMAT,
        f"expected a model of format {FORMAT} in {file}, found {found}; fit it again with this version.",
    )
    assert isinstance(content, dict)
    return content


def claim_folder(work: Path, key: str) -> None:
    """Mark a work folder as belonging to the run with this key, or refuse the folder of another run.

    Raises:
        InputError: when the folder was begun with other slides or another recipe.
    """
    mark = work / "run"
    if mark.exists():
        expect(
            mark.read_text() == key,
            f"expected the recipe and slides of the run begun in {work}, found others; resume with the same call, or choose "
            "another folder.",
        )
        return
    work.mkdir(parents=True, exist_ok=True)
    with whole_file(mark) as part:
        part.write_text(key)
