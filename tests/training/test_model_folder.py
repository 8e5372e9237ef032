from __future__ import annotations

from pathlib import Path

import pytest

from pyg_gears.errors import InputError
from pyg_gears.training.model_folder import model_file


def test_what_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "stopped" / "work").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "model.pt"
    file.touch()
    assert model_file(tmp_path / "model") == file
    for path, text in {
        "none": "none, found none; run `pyg-gears fit` first",
        "model/model.pt": f"model.pt, found a file; pass the folder {tmp_path / 'model'}",
        "stopped": "stopped, found a fit that was stopped; repeat its command with --resume",
    }.items():
        with pytest.raises(InputError, match=f"expected a model folder at .*{text}"):
            model_file(tmp_path / path)
    file.rename(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=r"cells\.h5ad, found a file; pass the folder that fit wrote"):
        model_file(tmp_path / "cells.h5ad")
