"""The saved model: one file of tensors and plain values, read without running any code from it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from pyg_gears import __version__
from pyg_gears.data.whole_file import whole_file, writing
from pyg_gears.errors import InputError, expect
from pyg_gears.training.migrations import FORMAT, SEALED, upgrade
from pyg_gears.training.model_folder import FILE, model_file
from pyg_gears.training.sealed_file import read_sealed, write_sealed


def save_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Write ``recipe.yaml``, for people, and then ``model.pt`` into the folder, each whole or not at all.

    Raises:
        InputError: when they cannot be written.
    """
    import yaml

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "recipe.yaml") as part:
        part.write_text(yaml.safe_dump(content["recipe"], sort_keys=False))
    write_sealed(folder / FILE, {"format": FORMAT, "version": __version__, **content})


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Read ``model.pt`` with ``weights_only=True``, of this format or an earlier one.

    Raises:
        InputError: when the folder holds no model, a damaged or changed one, or one of a format that this version does not
            read.
    """
    file = model_file(folder)
    remedy = "copy it again from where it was made, or fit the model again"
    content, sealed = read_sealed(file, "model", remedy)
    expect(
        isinstance(content, dict) and type(content.get("format")) is int,
        f"expected a model of pyg-gears in {file}, found something else; fit the model again.",
    )
    expect(
        bool(sealed) or not SEALED <= content["format"] <= FORMAT,
        f"expected a checksum in {file}, as format {content['format']} has one, found none: it was changed after it was "
        "written; fit the model again.",
    )
    for name, tensor in _tensors(content):
        expect(
            tensor.device.type == "cpu"
            and tensor.layout == torch.strided
            and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
            and bool(torch.isfinite(tensor).all()),
            f"expected finite numbers in {name} of {file}, found NaN, infinity or none at all; fit the model again.",
        )
    try:
        return upgrade(content, file)
    except (AttributeError, LookupError, TypeError) as error:
        raise InputError(
            f"expected a model of format {content['format']} in {file}, found parts missing ({type(error).__name__}: "
            f"{error}); fit the model again."
        ) from error


def _tensors(value: Any, name: str = "the model") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors of the content, with their places."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item, name)


def claim_folder(work: Path, key: str, *, ours: Sequence[str] = ()) -> None:
    """Mark a work folder as belonging to the run with this key, or refuse the folder of another run.

    Args:
        work: Made if missing.
        key: A :func:`~pyg_gears.data.fingerprint.fingerprint` of everything that the run depends on.
        ours: Patterns of what such a run keeps here. It is removed where the mark is missing or damaged: it may be of any run.

    Raises:
        InputError: when the folder was begun with other slides, cells or another recipe, or cannot be written.
    """
    mark = work / "run"
    found = mark.read_bytes().decode(errors="replace") if mark.is_file() else ""
    if found and (not ours or re.fullmatch("[0-9a-f]{64}", found)):
        expect(
            found == key,
            f"expected the recipe, slides and cells of the run begun in {work}, found different ones; resume with the same "
            "call, or choose another folder.",
        )
        return
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
        for path in (path for pattern in ours for path in work.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    with whole_file(mark) as part:
        part.write_text(key)
