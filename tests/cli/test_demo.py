from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pyg_gears.cli import demo as module

NAMES = ("simulate", "fit", "reconstruct", "evaluate", "report")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the demo's steps are given, in place of minutes of work."""
    found: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        monkeypatch.setattr(module, name, lambda name=name, **options: found.update({name: options}))
    return found


def test_the_demo_ends_with_a_page_of_the_layout(given: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    ended = CliRunner().invoke(module.demo, ["--out", str(tmp_path / "d")])
    assert ended.exit_code == 0
    assert tuple(given) == NAMES
    assert given["report"]["out"] == str(tmp_path / "d" / "report.html")
    assert given["report"]["files"] == given["evaluate"]["files"] == (given["reconstruct"]["out"].__fspath__(),)
    assert given["report"]["truth"] == "spatial_true"


def test_without_plotly_the_demo_says_how_to_get_the_page(
    given: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise click.ClickException("Pages need plotly: pip install 'pyg-gears[report]'")

    monkeypatch.setattr(module, "report", refuse)
    ended = CliRunner().invoke(module.demo, ["--out", str(tmp_path / "d")])
    assert ended.exit_code == 0
    assert "wrote no page of the layout. Pages need plotly: pip install 'pyg-gears[report]'" in ended.output
    assert "look at" in ended.output.splitlines()[-1]
