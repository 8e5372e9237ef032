"""The README's Python runs as it stands (on smaller numbers), and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_python_block_runs(tmp_path, monkeypatch, capsys) -> None:
    code, _ = BLOCKS
    assert len(code.strip().splitlines()) <= 12
    for full, small in (("cells=300", "cells=60"), ("spots=200", "spots=80")):
        assert full in code
        code = code.replace(full, small)
    training = '"training": {"epochs": 2, "pretraining": {"steps": 5}}'
    small_recipe = f'Recipe.preset("quick").change({{"minisets": {{"count": 6}}, {training}}})'
    assert 'Recipe.preset("quick")' in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace('Recipe.preset("quick")', small_recipe), "README", "exec"), {})
    assert "(60, 2)" in capsys.readouterr().out
    assert (tmp_path / "my_model" / "model.pt").exists()


def test_the_layers_run_as_shown(capsys) -> None:
    _, code = BLOCKS
    assert len(code.strip().splitlines()) <= 10
    exec(compile(code, "README", "exec"), {})
    assert "torch.Size([50, 16]) torch.Size([50, 2])" in capsys.readouterr().out


def test_it_stays_short() -> None:
    assert len(TEXT.splitlines()) <= 120


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", TEXT))
def test_links_exist(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_room_is_in_the_table_of_contents() -> None:
    rooms = [p.name for p in (ROOT / "pyg_gears").iterdir() if (p / "__init__.py").exists()]
    assert not [room for room in rooms if f"pyg_gears/{room})" not in TEXT]
