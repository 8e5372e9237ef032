"""The Python of docs/targets.md runs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "targets.md"


def test_the_page_runs(capsys) -> None:
    names: dict = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert capsys.readouterr().out == "torch.Size([140, 2])\n"
    assert names["batch"].pos is None
