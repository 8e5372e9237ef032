from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.training.checkpoint import claim_folder, load_checkpoint, save_checkpoint
from pyg_gears.training.migrations import FORMAT
from pyg_gears.training.sealed_file import write_sealed

KEY, OTHER = "0" * 64, "1" * 64


def saved(folder: Path, **changes: Any) -> Path:
    content = {"format": FORMAT, "version": "9", "recipe": {}, "members": [{"weight": torch.ones(2, 3)}], **changes}
    write_sealed(folder / "model.pt", content)
    return folder


def test_a_model_that_was_changed_and_stored_again_is_told_by_its_checksum(tmp_path) -> None:
    save_checkpoint(tmp_path, {"recipe": {"a": 1}, "members": []})
    content = load_checkpoint(tmp_path)
    assert content["format"] == FORMAT
    content["members"] = [{"weight": torch.ones(1)}]
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(InputError, match=rf"expected a checksum in .*, as format {FORMAT} has one, found none"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("number", [torch.ones(2), "5", None, 5.0, True, [5]])
def test_a_format_that_is_no_number_is_no_model(tmp_path, number) -> None:
    with pytest.raises(InputError, match=r"expected a model of pyg-gears in .*, found something else"):
        load_checkpoint(saved(tmp_path, format=number))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[1.0, float("nan")]]),
        torch.tensor([float("inf")]),
        torch.ones(3, 3).to_sparse(),
        torch.empty(3, device="meta"),
    ],
    ids=["nan", "inf", "sparse", "meta"],
)
def test_tensors_that_no_fit_gives_are_refused(tmp_path, tensor) -> None:
    torch.save({"format": 4, "members": [{"gate.weight": tensor}]}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"expected (finite numbers in gate\.weight|a readable model)"):
        load_checkpoint(tmp_path)


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path) -> None:
    torch.save({"format": 4, "x": torch.ones(1).expand(10**9, 10**6)}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="expected finite numbers in x of"):
        load_checkpoint(tmp_path)


def test_old_formats_with_missing_parts_are_one_sentence(tmp_path) -> None:
    torch.save({"format": 3, "recipe": {"model": 1}}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"expected a model of format 3 in .*, found parts missing"):
        load_checkpoint(tmp_path)


def test_a_folder_is_claimed_once(tmp_path) -> None:
    claim_folder(tmp_path, KEY, ours=("member_*",))
    claim_folder(tmp_path, KEY, ours=("member_*",))
    with pytest.raises(InputError, match="expected the recipe, slides and cells of the run begun in"):
        claim_folder(tmp_path, OTHER, ours=("member_*",))


@pytest.mark.parametrize("mark", [None, b"", b"half", b"\xff\x00", KEY.encode()[:40]])
def test_what_lies_beside_a_damaged_mark_is_not_taken_up(tmp_path, mark) -> None:
    for name in ("member_0", "minisets", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "finished.pt").write_text("of another run")
    if mark is not None:
        (tmp_path / "run").write_bytes(mark)
    claim_folder(tmp_path, OTHER, ours=("member_*", "minisets"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "run"]
    assert (tmp_path / "run").read_text() == OTHER


def test_a_damaged_mark_is_refused_where_results_would_be_lost(tmp_path) -> None:
    (tmp_path / "run").write_text("half")
    with pytest.raises(InputError, match="found different ones"):
        claim_folder(tmp_path, KEY)
