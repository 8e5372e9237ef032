"""A disk without room: one sentence, exit 2, nothing half written, and the next call goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyg_gears.cli import main
from tests.campaign.kills import contents


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Larger files fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


FIELDS = """embedding.kind=spatial embedding.components=5 embedding.adapter.steps=3 minisets.count=4 minisets.min_size=20
minisets.max_size=30 graph.k=8 model.hidden_channels=16 model.heads=2 model.head_channels=4 model.recycles=2
training.members=1 training.epochs=2 training.final_epochs=2 training.pretraining.steps=2 training.validation=2"""


def test_every_command_goes_on_when_there_is_room(tmp_path, capsys) -> None:
    data, model, layout = tmp_path / "data", tmp_path / "m", tmp_path / "l.h5ad"
    simulate = ["simulate", "--out", data, "--slides", 2, "--cells", 60]
    fields = [word for field in FIELDS.split() for word in ("--set", field)]
    fit = ["fit", data / "slide_0.h5ad", data / "slide_1.h5ad", "--out", model, *fields]
    reconstruct = ["reconstruct", model, data / "cells.h5ad", "--out", layout, "--patch-size", 30]
    evaluate = ["evaluate", layout, "--truth", "spatial_true", "--json", tmp_path / "e.json"]
    for call, sizes in ((simulate, [3000]), (fit, [40, 3000, 15000]), (reconstruct, [300, 9000]), (evaluate, [50])):
        for size in sizes:
            again = ["--resume"] if call is fit and (model / "work").exists() else []
            with files_of_at_most(size):
                code = run(*call, *again)
            said = capsys.readouterr().err.strip().splitlines()[-1]
            assert code == 2, (call[0], size)
            assert said.startswith("pyg-gears: expected"), (call[0], size, said)
            assert "File too large" in said
            begun = call is fit and not again and (model / "work").exists()
            assert said.endswith("then run the same command again" + " with --resume" * begun + ".")
            assert not [name for name in contents(tmp_path) if ".part" in name]
        again = ["--resume"] if call is fit and (model / "work").exists() else []
        assert run(*call, *again) == 0, capsys.readouterr().err
    unbroken = [*fit[:4], tmp_path / "whole" / "m", *fields]
    assert run(*unbroken) == 0
    assert contents(model) == contents(tmp_path / "whole" / "m")


def test_a_folder_without_permission_or_of_another_kind_is_one_sentence(tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "x", Path("/proc/1/x")):
        assert run("simulate", "--out", out, "--cells", 5) == 2
        assert capsys.readouterr().err.startswith("pyg-gears: expected")
