from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyg_gears.data import simulate_tissue, write_pseudo_spots, write_simulation, write_slide
from pyg_gears.data.writable_folder import check_writable_folder
from pyg_gears.errors import InputError

NOWHERE = Path("/proc")  # where not even root can write


def test_nothing_is_left_and_nothing_is_made(tmp_path: Path) -> None:
    check_writable_folder(tmp_path)
    check_writable_folder(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(
            InputError, match=r"a folder to write to, found a file in the place of .*/file; name another"
        ):
            check_writable_folder(folder)
    for folder in (NOWHERE, NOWHERE / "a" / "b"):
        with pytest.raises(InputError, match=r"expected a writable folder, found /proc \(.*\); name another"):
            check_writable_folder(folder)


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(InputError, match=r"expected a writable folder, found .*/x \(Permission denied\); name another"):
        check_writable_folder(tmp_path / "x")


def test_outputs_are_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "tissue.h5ad"
    section = simulate_tissue(slides=1, cells=5, spots=40, genes=12).slides[0]
    write_slide(source, section, obs={"kind": np.repeat("a", 40)})

    def work(*_: object, **__: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr("pyg_gears.data.synthetic.simulate_tissue", work)
    monkeypatch.setattr("pyg_gears.data.pseudo_spot_files.pseudo_spots", work)
    (tmp_path / "cells.h5ad").write_text("")
    (tmp_path / "tissue_cells.h5ad").write_text("")
    for folder, found in ((NOWHERE / "x", "expected a writable folder"), (tmp_path, "expected a new file at")):
        with pytest.raises(InputError, match=found):
            write_simulation(folder, cells=5, spots=40)
        with pytest.raises(InputError, match=found):
            write_pseudo_spots(folder, [source])
