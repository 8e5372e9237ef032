from __future__ import annotations

from pathlib import Path

import pytest

from pyg_gears.data import check_h5ad, read_cells, read_slides, slides_from_anndata
from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import plain_table


def test_a_name_before_the_path_replaces_the_stem(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        plain_table().write_h5ad(tmp_path / folder / "section.h5ad")
    assert [slide.name for slide in read_slides(tmp_path / "one" / "section.h5ad")] == ["section"]
    assert [slide.name for slide in read_slides(f"left={tmp_path}/one/section.h5ad")] == ["left"]
    assert read_cells(f"right side={tmp_path}/two/section.h5ad").name == "right side"
    assert check_h5ad(f"x={tmp_path}/two/section.h5ad", spatial=True).slides == ("x",)


def test_a_file_whose_own_name_holds_the_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain_table().write_h5ad(tmp_path / "k=3.h5ad")
    assert named_path("k=3.h5ad") == ("k=3", Path("k=3.h5ad"))
    assert named_path("a=k=3.h5ad") == ("a", Path("k=3.h5ad"))
    assert named_path("runs/k=3/a.h5ad") == ("a", Path("runs/k=3/a.h5ad"))
    assert named_path("none=").path == Path("none=")


def test_the_home_folder_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plain_table().write_h5ad(tmp_path / "section.h5ad")
    assert read_slides("~/section.h5ad")[0].name == "section"
    assert read_slides(Path("~/section.h5ad"))[0].name == "section"
    assert read_slides("left=~/section.h5ad")[0].name == "left"
    (tmp_path / "sample").mkdir()
    assert named_path("~/sample").path == tmp_path / "sample"


@pytest.mark.parametrize("path", [None, 3, ["a.h5ad"], plain_table()])
def test_what_is_no_path(path: object) -> None:
    with pytest.raises(InputError, match=f"the path of a file, found {type(path).__name__}; pass text or a Path"):
        read_slides(path)  # type: ignore[arg-type]


def test_a_path_is_no_anndata() -> None:
    with pytest.raises(InputError, match="expected an AnnData, found str; read a file with read_slides or read_cells"):
        slides_from_anndata("a.h5ad", "a")  # type: ignore[arg-type]


@pytest.mark.parametrize("choice", [{"layer": 3}, {"spatial_key": ("x", "y")}])
def test_options_are_text(choice: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"expected {next(iter(choice))} as text, found .*; write a name"):
        ReadOptions(**choice)  # type: ignore[arg-type]


def test_names_that_cannot_be_used(tmp_path: Path) -> None:
    plain_table().write_h5ad(tmp_path / "...h5ad")
    with pytest.raises(InputError, match=r"found '\.\.'; give another, on the command line as NAME=path"):
        read_slides(tmp_path / "...h5ad")
    assert read_slides(f"a={tmp_path}/...h5ad")[0].name == "a"
    with pytest.raises(InputError, match=r"found '\.'; give another"):
        read_slides(f".={tmp_path}/...h5ad")
    with pytest.raises(InputError, match=r"found ''; give another"):
        read_slides(f"={tmp_path}/...h5ad")
