from __future__ import annotations

import pytest

from pyg_gears.cli import main
from pyg_gears.data import write_simulation
from pyg_gears.errors import InputError, argument, arguments_are_options, nearest_name


def test_a_name_is_found_whatever_its_case() -> None:
    assert nearest_name("erbb2", ["ACTB", "ERBB2"]) == " (did you mean 'ERBB2'?)"
    assert nearest_name("Library_ID", ["library_id", "sample"]) == " (did you mean 'library_id'?)"
    assert nearest_name("sox", ["Sox", "SOX"]) == " (did you mean 'Sox'?)"
    assert nearest_name("x", []) == ""


def test_an_argument_is_named_as_the_caller_named_it(tmp_path, capsys) -> None:
    from pyg_gears.training.held_out import check_held_out

    with pytest.raises(InputError, match=r"expected validate to name one of the slides a, found 'b'"):
        check_held_out(["a"], "b")
    with pytest.raises(InputError, match=r"found none; add slides or leave out validate\."):
        check_held_out(["a"], "a")
    with arguments_are_options(), pytest.raises(InputError, match=r"expected --validate to name"):
        check_held_out(["a"], "b")
    slide = write_simulation(tmp_path, slides=1, cells=5, spots=40)[0]
    with pytest.raises(SystemExit):
        main(["fit", str(slide), "--out", str(tmp_path / "m"), "--validate", "b"])
    assert "expected --validate to name one of the slides slide_0, found 'b'" in capsys.readouterr().err
    assert argument("validate") == "validate"
