from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyg_gears.errors import InputError
from pyg_gears.report.report_folder import check_report_folder, plain, report_folder


def test_the_folder_appears_whole(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        check_report_folder(tmp_path / name)
        with report_folder(tmp_path / name) as folder:
            (folder / "a.txt").write_text("a")
            assert not (tmp_path / name / "a.txt").exists()
        assert (tmp_path / name / "a.txt").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def write_and_fail(path: Path) -> None:
    with report_folder(path) as folder:
        (folder / "a.txt").write_text("a")
        raise KeyError("half way")


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_and_fail(tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_used_and_impossible_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="expected a new file at"):
        check_report_folder(tmp_path)
    with pytest.raises(InputError, match="expected a folder at"):
        check_report_folder(tmp_path / "no" / "where")
    with pytest.raises(InputError, match="expected a writable folder at"), report_folder(tmp_path / "no" / "where"):
        pass
    assert (tmp_path / "file").read_text() == "kept"


def test_plain_values() -> None:
    value = {"a": np.array([[1.5, np.nan]]), 2: (np.int64(3), np.float32(0.5)), "b": [float("inf"), None, "x", True]}
    assert plain(value) == {"a": [[1.5, None]], "2": [3, 0.5], "b": [None, None, "x", True]}


def test_an_error_that_is_none_of_the_disk_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot identify image"), report_folder(tmp_path / "out"):
        raise OSError("cannot identify image")
    assert not list(tmp_path.iterdir())
