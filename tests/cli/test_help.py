"""What someone reads who has not seen the command line before."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_gears.cli import main
from pyg_gears.cli.home_folder import home_expanded


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    return int(stop.value.code or 0)


@pytest.mark.parametrize("words", [(), ("lab",)])
def test_no_command_shows_the_help_page_as_it_is_with_whole_sentences(capsys, words) -> None:
    assert run(*words) == 0
    found = capsys.readouterr()
    assert found.err == ""
    lines = found.out.splitlines()
    commands = [line for line in lines[lines.index("Commands:") + 1 :] if line.startswith("  ")][:7]
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_a_command_that_there_is_not_is_told_the_nearest(capsys) -> None:
    assert run("fti") == 2
    said = capsys.readouterr().err
    assert "expected a command among simulate, fit" in said
    assert "found 'fti' (did you mean 'fit'?); see pyg-gears --help." in said
    assert run("lab", "diagnosis") == 2
    assert "(did you mean 'diagnose'?); see pyg-gears lab --help." in capsys.readouterr().err


def test_a_wrong_option_is_told_where_the_right_ones_stand(capsys) -> None:
    assert run("simulate", "--out", "x", "--cells", "0") == 2
    assert capsys.readouterr().err.endswith("0 is not in the range x>=1; see pyg-gears simulate --help.\n")


def test_the_home_folder_where_the_shell_leaves_the_tilde(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run("simulate", "--out=~/here", "--slides", "1", "--cells", "5") == 0
    assert f"to {tmp_path}/here" in capsys.readouterr().out
    assert (tmp_path / "here" / "slide_0.h5ad").is_file()
    assert not Path("~").exists()
    assert home_expanded("~/a.h5ad") == f"{tmp_path}/a.h5ad"
    assert home_expanded("left=~/a.h5ad") == f"left={tmp_path}/a.h5ad"
    for word in ("~", "embedding.adapter=~", "a~/b", "x/y=~/b", "--out", "~a.h5ad"):
        assert home_expanded(word) == word
