"""A place that cannot be written to is reported before anything is read."""

from __future__ import annotations

import pytest

from tests.cli.test_full_disk import run

CALLS = {
    "fit": "fit missing.h5ad --out /proc/x/y",
    "demo": "demo --out /proc/x",
    "simulate": "simulate --out /proc/x --cells 5",
    "experiment": "lab experiment closing-the-gap missing.h5ad --out /proc/x",
    "models": "lab models missing.h5ad --validate a --query missing.h5ad --out /proc/x",
    "benchmark": "lab benchmark missing.h5ad --out /proc/x",
    "patch-size": "lab patch-size missing missing.h5ad --out /proc/x",
}


@pytest.mark.parametrize("name", CALLS)
def test_the_folder_is_what_is_reported(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*CALLS[name].split()) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        ("pyg-gears: expected a writable folder, found /proc (", "pyg-gears: expected a folder at /proc/x")
    )
    assert "resume" not in said
