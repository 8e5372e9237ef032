"""The pages under docs/: their Python runs, their links lead somewhere, their experiments and options exist."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
import torch
import yaml

from pyg_gears import models
from pyg_gears.lab.experiments import Experiment
from pyg_gears.training import model_recipe

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
# Written by the docs build, or by another page's generator.
GENERATED = re.compile(r"(api/.*\.md|figures/.*\.svg)")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            assert re.fullmatch(r"https://[\w.-]+(/[\w./%~-]*)?", link), f"{link} is no plain address"
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if GENERATED.fullmatch(name):
            continue
        assert target.exists(), f"{page.name} links to {link}, which is missing"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}, which has no such heading"


def test_the_page_on_structure_models_runs(monkeypatch, capsys) -> None:
    page = DOCS / "structure_model.md"
    # In a module of its own: the recipe's annotations are looked up there.
    module = types.ModuleType("toy_model_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(page, "python"):
        if "class SmootherRecipe" in block:  # where it belongs, its names are imported and the model is exported
            module.__dict__.update({name: value for name, value in vars(model_recipe).items() if name[:2] != "__"})
            monkeypatch.setattr(models, "Smoother", module.Smoother, raising=False)
        exec(compile(block, str(page), "exec"), module.__dict__)
    assert float(module.energies[-1]) < 0.3 * module.energies[0]
    assert "E_geo" in capsys.readouterr().out
    assert isinstance(module.SmootherRecipe(rounds=1).build(8), module.Smoother)
    (text,) = blocks(page, "yaml")
    (entry,) = yaml.safe_load(text)
    assert Experiment(**entry).name in page.read_text()


def test_the_model_of_the_layers_page_runs_is_explained_and_compiled(capsys) -> None:
    names: dict = {}
    for block in blocks(DOCS / "layers.md", "python"):
        exec(compile(block, "layers.md", "exec"), names)
    assert capsys.readouterr().out.startswith("torch.Size([50, 4])\ntorch.Size([300])\n")
    torch.testing.assert_close(
        names["compiled"](names["x"], names["edge_index"]), names["model"](names["x"], names["edge_index"])
    )


def test_the_quick_start_in_python_is_that_of_the_readme() -> None:
    (shown,) = blocks(DOCS / "quickstart.md", "python")
    for line in shown.splitlines():
        if line and not line.startswith("#"):
            assert line in (ROOT / "README.md").read_text(), line


def test_commands_of_the_pages_exist() -> None:
    """Every option that a page gives to a command is one of that command."""
    from click import Group

    from pyg_gears.cli.command_line import group

    seen = 0
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.split("#")[0].split()
                if not words or words[0] != "pyg-gears":
                    continue
                command, rest = group, words[1:]
                while isinstance(command, Group) and rest and not rest[0].startswith("-"):
                    command = command.get_command(None, rest.pop(0))
                    assert command is not None, line
                known = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
                assert not {word for word in rest if word.startswith("--")} - known, line
                seen += 1
    assert seen >= 8
