from __future__ import annotations

from pathlib import Path

import pytest

from pyg_gears.data import check_h5ad, read_cells, read_slides, slides_from_anndata
from pyg_gears.data.io.checked_files import read_files
from pyg_gears.data.io.given import given_slides
from pyg_gears.data.io.named_path import named_path, named_paths
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


def test_files_that_share_a_name_are_told_apart_by_the_nearest_folders_that_differ(tmp_path: Path) -> None:
    def names(*paths: str) -> list[str]:
        return [slide.name for slide in named_paths([path if "=" in path else tmp_path / path for path in paths])]

    bins = [f"sample{one}/outs/binned_outputs/square_008um" for one in "AB"]
    assert names(*bins, "sampleB/outs/binned_outputs/square_016um") == [
        "sampleA_square_008um",
        "sampleB_square_008um",
        "square_016um",
    ]
    assert names("p1/left/s.h5ad", "p1/right/s.h5ad", "p2/left/s.h5ad") == ["p1_left_s", "p1_right_s", "p2_left_s"]
    assert names("s.h5ad", "p1/s.h5ad") == [f"{tmp_path.name}_s", "p1_s"]
    assert names("a/s.h5ad", "s=b/t.h5ad", "c/s.h5ad") == ["a_s", "s", "c_s"]
    assert names("a/s.h5ad", "a/s.h5") == ["s", "s"]  # refused where slides need names of their own
    with pytest.raises(InputError, match="the name of a slide to fit"):
        names(f"{'a' * 180}/s.h5ad", "b/s.h5ad")


def test_messages_and_slides_have_the_names_that_tell_them_apart(tmp_path: Path) -> None:
    files = [tmp_path / folder / "section.h5ad" for folder in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        table = plain_table()
        table.obs["in_tissue"] = [0] + [1] * (table.n_obs - 1)
        table.write_h5ad(file)
    for read in (given_slides, lambda paths: read_files(paths).slides):
        with pytest.warns(UserWarning, match="1 of 90 spots") as heard:
            assert [slide.name for slide in read(files)] == ["one_section", "two_section"]
        assert [str(said.message).partition(":")[0] for said in heard] == ["one_section", "two_section"]
    with pytest.warns(UserWarning, match="1 of 90 spots") as heard:
        assert [slide.name for slide in given_slides({"a": files[0], "b": files[1]})] == ["a", "b"]
    assert [str(said.message).partition(":")[0] for said in heard] == ["a", "b"]
