from __future__ import annotations

import io

import pytest

from pyg_gears.lab.progress_bar import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("file", "shown", "drawn"), [(Terminal(), True, True), (Terminal(), False, False), (io.StringIO(), True, False)]
)
def test_a_bar_is_drawn_in_a_terminal_alone(file: io.StringIO, shown: bool, drawn: bool) -> None:
    assert list(progress_bar(range(3), shown=shown, file=file)) == [0, 1, 2]
    assert bool(file.getvalue()) == drawn
