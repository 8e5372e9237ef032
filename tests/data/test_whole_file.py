from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.data.leftovers import part_of, remove_leftovers, remove_parts, removed_at_the_end
from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import InputError, storage_reason


def test_a_file_appears_whole_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "table.csv"
    with whole_file(path) as part:
        part.write_text("1")
        assert part.suffix == ".csv"
        assert not path.exists()
    assert path.read_text() == "1"

    def broken() -> None:
        with whole_file(path) as part:
            part.write_text("2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert path.read_text() == "1"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("kind", ["plain", "hdf5", "from another"])
def test_what_a_file_system_refuses_is_one_sentence(tmp_path, number, kind) -> None:
    def fail() -> None:
        if kind == "plain":
            raise OSError(number, os.strerror(number))
        if kind == "hdf5":
            raise RuntimeError(f"Can't flush (file write failed: errno = {number}, error message = 'x')")
        try:
            raise OSError(number, "x")
        except OSError as error:
            raise RuntimeError("unexpected pos 64 vs 0") from error

    def write() -> None:
        with whole_file(tmp_path / "file.txt") as part:
            part.write_text("half")
            fail()

    with pytest.raises(
        InputError, match=r"expected to be able to write .*file\.txt, found '.*'; .* repeat the call\.$"
    ):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_in_the_place_of_a_folder_is_one_sentence(tmp_path, below) -> None:
    (tmp_path / "taken").write_text("")
    folder = tmp_path / "taken" / below
    with pytest.raises(InputError, match=r"expected a folder to write to, found a file in the place of .*taken"):
        locked_folder(folder).__enter__()


def test_errors_of_another_kind_stay_as_they_are(tmp_path) -> None:
    with pytest.raises(RuntimeError, match="shapes disagree"), whole_file(tmp_path / "x"):
        raise RuntimeError("shapes disagree")
    assert storage_reason(ValueError("errno = 28")) is None
    assert storage_reason(ConnectionResetError(104, "reset")) is None


def test_leftovers_go_when_a_process_is_stopped(tmp_path) -> None:
    done = []
    with removed_at_the_end(lambda: done.append("outer")), removed_at_the_end(lambda: done.append("inner")):
        remove_leftovers()
        assert done == ["inner", "outer"]
    remove_leftovers()
    assert len(done) == 4


def ended_process() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_unfinished_files_of_killed_processes_are_removed(tmp_path) -> None:
    dead, path = ended_process(), tmp_path / "layout.h5ad"
    stale, other = tmp_path / f".layout.{dead}-0123abcd.part.h5ad", tmp_path / f".other.{dead}-0123abcd.part.h5ad"
    folder = tmp_path / f".figures.{dead}-0123abcd.part"
    folder.mkdir()
    mine, foreign = part_of(path), tmp_path / ".notes.part.h5ad"
    for file in (stale, other, mine, foreign, folder / "a.png"):
        file.write_text("x")
    remove_parts(tmp_path, of=path)
    assert not stale.exists()
    assert other.exists()
    assert mine.exists()
    remove_parts(tmp_path, of=tmp_path / "figures")
    assert not folder.exists()
    remove_parts(tmp_path)  # under a lock: nobody else is writing
    assert sorted(tmp_path.iterdir()) == [foreign]


def test_a_public_door_clears_what_a_killed_run_left_at_its_output(tmp_path) -> None:
    from pyg_gears.data import check_output

    stale = tmp_path / f".l.{ended_process()}-0123abcd.part.h5ad"
    stale.write_text("x")
    check_output(tmp_path / "l.h5ad")
    assert not list(Path(tmp_path).iterdir())
