"""Whatever lies damaged in the folder of a training: the result is that of an unbroken run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from pyg_gears.training import structure_training
from pyg_gears.training.structure_module import StructureModule
from pyg_gears.training.structure_training import train_structure


class Killed(BaseException):
    pass


@pytest.fixture
def train(tiny_recipe, datasets):
    def call(folder: Path, recipe=tiny_recipe):
        return train_structure(recipe, *datasets, seed=3, folder=folder, progress=False)

    return call


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


DAMAGE = {
    "empty": lambda raw: b"",
    "half": lambda raw: raw[: len(raw) // 2],
    "garbage": lambda raw: b"\x80" * 100,
    "one bit": lambda raw: raw[:900] + bytes([raw[900] ^ 1]) + raw[901:],
}


@pytest.fixture(scope="module")
def whole(tiny_recipe, prepared, tmp_path_factory):
    """The model of an unbroken run, its folder, and a copy of that."""
    folder, copy = (tmp_path_factory.mktemp(name) / "run" for name in ("whole", "copy"))
    model = train_structure(tiny_recipe, prepared.train, prepared.validation, seed=3, folder=folder, progress=False)
    shutil.copytree(folder, copy)
    return model, folder, copy


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("files", ["last.ckpt", "best.ckpt", "finished.pt", "finished.pt last.ckpt", "log.csv"])
def test_damaged_files_are_made_anew(train, whole, damage, files) -> None:
    model, folder, copy = whole
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    for name in files.split():
        (folder / name).write_bytes(DAMAGE[damage]((copy / name).read_bytes()))
    if "finished.pt" not in files and files != "log.csv":
        (folder / "finished.pt").unlink()
    assert same(train(folder), model)
    assert (folder / "log.csv").read_bytes() == (copy / "log.csv").read_bytes()


def test_a_training_that_stopped_early_is_not_trained_on(train, tiny_recipe, tmp_path, monkeypatch) -> None:
    """A kill between the last checkpoint and the end: a checkpoint alone does not make Lightning stop."""
    monkeypatch.setattr(
        StructureModule, "validation_step", lambda self, *_: self.log("h_gate", 1.0 + self.current_epoch, batch_size=1)
    )
    recipe = tiny_recipe.change({"training": {"epochs": 9, "patience": 2, "ramp_epochs": 0.0}})
    whole = train(tmp_path / "whole", recipe)
    rows = (tmp_path / "whole" / "log.csv").read_text()
    assert len(rows.splitlines()) == 4

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(structure_training, "write_sealed", die)
        with pytest.raises(Killed):
            train(tmp_path / "cut", recipe)
    (tmp_path / "cut" / "log.csv").unlink()
    assert same(train(tmp_path / "cut", recipe), whole)
    assert (tmp_path / "cut" / "log.csv").read_text() == rows


def test_checkpoints_do_not_pass_through_the_temporary_folder(train, tmp_path, monkeypatch) -> None:
    """From another file system they would be copied, and a kill or a full disk would leave a part of one."""
    monkeypatch.setattr("tempfile.mkstemp", lambda *_, **__: pytest.fail("a temporary file"))
    train(tmp_path)
    assert (tmp_path / "last.ckpt").exists()
    assert not list(tmp_path.rglob(".*"))
