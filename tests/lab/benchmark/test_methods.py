from __future__ import annotations

from pathlib import Path

import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.benchmark import find_methods
from pyg_gears.training.recipe import Recipe


def test_a_preset_depends_on_its_changed_recipe() -> None:
    quick, simple = find_methods(["quick", "simple"], changes={"graph": {"k": 12}})
    assert quick.depends_on == Recipe.preset("quick").change({"graph": {"k": 12}})
    assert (quick.name, simple.name, simple.depends_on) == ("quick", "simple", None)


def test_a_model_depends_on_its_content(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pt").write_bytes(content)
    a, b, c = find_methods([], [tmp_path / name for name in "abc"])
    assert (a.name, b.name) == ("a", "b")
    assert a.depends_on == c.depends_on != b.depends_on


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        (["quik"], {}, "expected a method among simple, soft_map, quick, .*, found 'quik' .did you mean 'quick'"),
        ([], {}, "expected at least one method, found none; name one with names or models"),
        (["quick", "quick"], {}, "expected methods of different names, found quick, quick"),
        (["simple"], {"graph": {"k": 9}}, "expected a preset that --set changes, found simple; leave --set out"),
        (
            ["quick"],
            {"training": {"seed": 3}},
            "expected the seeds of the comparison from --seeds, found training.seed",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(names: list[str], changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_methods(names, changes=changes)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a model folder at .*, found none; run `pyg-gears fit` first"):
        find_methods([], [tmp_path])
