from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.kills import TINY, contents

COMMANDS = """
import sys
from pyg_gears.cli import main
for words in (
    ["simulate", "--out", "data", "--slides", "2", "--cells", "50"],
    ["fit", "data/slide_0.h5ad", "data/slide_1.h5ad", "--cells", "data/cells.h5ad", "--out", "model"]
    + [word for field in sys.argv[1:] for word in ("--set", field)],
    ["reconstruct", "model", "data/cells.h5ad", "--out", "layout.h5ad", "--patch-size", "24", "--samples", "2"],
    ["evaluate", "layout.h5ad", "--truth", "spatial_true", "--reference", "data/slide_0.h5ad", "--json", "e.json"],
):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0, words
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_of_every_file(tmp_path) -> None:
    """In two processes whose sets have another order, in folders of other names."""
    found = []
    for name, order in (("one", "1"), ("another", "42")):
        folder = tmp_path / name
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": order, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        command = [sys.executable, "-W", "ignore", "-c", COMMANDS, *TINY]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        found.append(contents(folder))
    assert set(found[0]) == set(found[1])
    assert {"model/model.pt", "model/training_1.csv", "layout.h5ad", "data/cells.h5ad", "e.json"} <= set(found[0])
    assert [name for name, data in found[0].items() if data != found[1][name]] == []
