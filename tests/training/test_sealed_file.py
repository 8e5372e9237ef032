from __future__ import annotations

import io
import zipfile

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.training.sealed_file import read_kept, read_sealed, write_sealed


def content() -> dict:
    return {"weights": torch.arange(12.0).reshape(3, 4).T, "names": ["gene", "gene"], "gene": (1, 2.5, None, True)}


def test_what_is_written_is_read_by_us_and_by_torch(tmp_path) -> None:
    path = tmp_path / "a.pt"
    write_sealed(path, content())
    for found in (read_sealed(path).content, read_kept(path), torch.load(path, weights_only=True)):
        assert torch.equal(found.pop("weights"), content()["weights"])
        assert found == {"names": ["gene", "gene"], "gene": (1, 2.5, None, True)}


def test_bytes_follow_from_the_content_alone(tmp_path) -> None:
    """Not from the file's name, from which equal texts are one object, or from the storage behind a tensor."""
    word = "".join(["ge", "ne"])
    same = {
        "weights": torch.arange(99.0)[:12].view(3, 4).T.clone(),
        "names": ["gene", word],
        word: (1, 2.5, None, True),
    }
    write_sealed(tmp_path / "a.pt", content())
    write_sealed(tmp_path / "another name.pt", same)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another name.pt").read_bytes()


def test_no_changed_byte_goes_unnoticed(tmp_path) -> None:
    path, damaged = tmp_path / "a.pt", tmp_path / "b.pt"
    write_sealed(path, {"x": torch.ones(3)})
    raw = path.read_bytes()
    for place in range(len(raw)):
        damaged.write_bytes(raw[:place] + bytes([raw[place] ^ (1 << place % 8)]) + raw[place + 1 :])
        assert read_kept(damaged) is None, place
    for cut in (0, 1, len(raw) // 2, len(raw) - 1):
        damaged.write_bytes(raw[:cut])
        assert read_kept(damaged) is None
    for cut in (0, 1, len(raw) // 2):
        damaged.write_bytes(raw[:cut])
        with pytest.raises(InputError, match="expected a readable file of tensors"):
            read_sealed(damaged)


def test_files_of_torch_alone_are_checked_by_their_archive(tmp_path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"x": torch.arange(50.0)}, path)
    assert read_sealed(path).sealed is None
    assert read_kept(path) is None
    raw = bytearray(path.read_bytes())
    raw[raw.index(torch.arange(50.0).numpy().tobytes()) + 9] ^= 4
    path.write_bytes(raw)
    with pytest.raises(InputError, match="found that its bytes do not agree with the checksums in it"):
        read_sealed(path)


def test_an_archive_that_holds_more_than_its_size_is_refused(tmp_path) -> None:
    buffer = io.BytesIO()
    torch.save({"x": torch.zeros(100_000)}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(InputError, match="found that it is compressed, as torch never writes it"):
        read_sealed(tmp_path / "x.pt")
