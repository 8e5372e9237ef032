from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.data import Slide
from pyg_gears.errors import InputError
from pyg_gears.training.checkpoint import save_checkpoint
from pyg_gears.training.model_genes import check_model_genes, model_genes

GENES = tuple(f"g{i}" for i in range(20))


@pytest.fixture(params=["own", "front"])
def file(tmp_path, request) -> Path:
    state = {"genes": list(GENES), "mean": torch.zeros(20)}
    encoder = state if request.param == "own" else {"type": "learned", "front": state}
    save_checkpoint(tmp_path, {"recipe": {}, "encoder": encoder})
    return tmp_path / "model.pt"


def cells(genes: tuple[str, ...]) -> Slide:
    return Slide("cells", csr_array(np.ones((4, len(genes)), dtype=np.float32)), genes, ("a", "b", "c", "d"))


def test_genes_are_read_without_torch(file) -> None:
    assert model_genes(file) == GENES
    check_model_genes(file, cells(GENES[1:]))  # fewer than a tenth are completed
    with pytest.raises(InputError, match=r"found 2 missing, .*; fit again .*: pyg-gears fit \.\.\. --cells CELLS"):
        check_model_genes(file, cells(GENES[2:]))


def test_a_file_that_does_not_tell_is_left_to_the_loader(file) -> None:
    raw = file.read_bytes()
    for damaged in (b"", raw[:200], b"\x00" * 50):
        file.write_bytes(damaged)
        assert model_genes(file) is None
        check_model_genes(file, cells(GENES[:3]))


def test_nothing_in_the_file_is_executed(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    torch.save({"encoder": {"genes": list(GENES), "evil": Evil()}}, tmp_path / "model.pt")
    model_genes(tmp_path / "model.pt")
    assert not (tmp_path / "executed").exists()
