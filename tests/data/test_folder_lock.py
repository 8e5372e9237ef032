from __future__ import annotations

import errno
import os
import signal

import pytest

from pyg_gears.data import folder_lock
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.errors import InputError


def test_the_second_is_refused_and_nothing_is_left(tmp_path) -> None:
    folder = tmp_path / "new" / "inner"
    with locked_folder(folder):
        with (
            pytest.raises(InputError, match=r"expected a folder that no other run uses, found .*inner in use"),
            locked_folder(folder),
        ):
            pass
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())
    with locked_folder(folder):
        (folder / "result").write_text("kept")
    with locked_folder(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_killed_holder_holds_nothing(tmp_path) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with locked_folder(tmp_path):
            os.write(tell, b"x")
            signal.pause()
    os.read(ready, 1)
    with pytest.raises(InputError, match="in use"), locked_folder(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with locked_folder(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_its_holder_removed_meanwhile_is_made_anew(tmp_path, monkeypatch) -> None:
    folder, lock, calls = tmp_path / "work", folder_lock._lock, []

    def late(handle, path) -> None:
        lock(handle, path)
        calls.append(path)
        if len(calls) == 1:
            path.rmdir()

    monkeypatch.setattr(folder_lock, "_lock", late)
    with locked_folder(folder):
        assert len(calls) == 2
        with pytest.raises(InputError, match="in use"), locked_folder(folder):
            pass


def test_folders_that_were_there_stay_unless_they_are_temporary(tmp_path) -> None:
    for temporary in (False, True):
        with locked_folder(tmp_path / "a", temporary=temporary):
            (tmp_path / "b").mkdir(exist_ok=True)
        with locked_folder(tmp_path / "b", temporary=temporary):
            pass
        assert (tmp_path / "b").exists() is not temporary


def test_without_locks_or_permission_it_is_said(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="expected a folder to write to, found a file in the place of"),
        locked_folder(tmp_path / "file" / "x"),
    ):
        pass

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.warns(UserWarning, match=r"without locks .*: start no second run"), locked_folder(tmp_path / "new"):
        pass
