"""The order of the rooms: a folder imports only from those before it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pyg_gears"
ROOMS = [
    "typing",
    "errors",
    "configuration",
    "seeds",
    "ranks",
    "devices",
    "testing",
    "geometry",
    "graphs",
    "data",
    "targets",
    "transforms",
    "losses",
    "spectral",
    "encoders",
    "nn",
    "models",
    "metrics",
    "baselines",
    "training",
    "layout",
    "fitted_gears",
    "gears",
    "transfer",
    "report",
    "lab",
    "cli",
]
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_rooms(file: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            # `from pyg_gears import x` names either a room or something of the top level itself.
            names = [f"pyg_gears.{a.name}" for a in node.names] if node.module == "pyg_gears" else [node.module]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("pyg_gears.")}
    return rooms & set(ROOMS)


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.parent != PACKAGE or f.stem in ROOMS], ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_rooms_import_only_from_rooms_above(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    late = {other for other in imported_rooms(file) if ROOMS.index(other) > ROOMS.index(room)}
    assert not late, f"{room} imports from {sorted(late)}, which come later"


def test_transfer_stands_on_graphs_and_spectral_functions_only() -> None:
    """Whoever transfers structure between pictures needs neither slides nor training."""
    allowed = {"typing", "errors", "geometry", "graphs", "spectral", "transfer"}
    files = [file for file in FILES if file.relative_to(PACKAGE).parts[0] == "transfer"]
    assert files
    assert not {room for file in files for room in imported_rooms(file)} - allowed


def test_files_are_short_and_say_what_they_are() -> None:
    long = {str(f): n for f in FILES if (n := len(f.read_text().splitlines())) > 300}
    assert not long
    assert not [f for f in FILES if f.stem in ("utils", "helpers", "misc", "common")]
    assert not [f for f in FILES if not ast.get_docstring(ast.parse(f.read_text()))]


def test_nothing_private_is_overridden_across_rooms() -> None:
    classes = {}
    for file in FILES:
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
                bases = {name.id for base in node.bases for name in ast.walk(base) if isinstance(name, ast.Name)}
                classes[node.name] = room, bases, {name for name in own if re.match("_[^_]", name)}

    def ancestors(name: str) -> set[str]:
        known = classes[name][1] & set(classes)
        return known.union(*map(ancestors, known))

    for name, (room, _, private) in classes.items():
        for base in ancestors(name):
            assert classes[base][0] == room or not private & classes[base][2], (name, base)


def test_public_names_exist() -> None:
    import importlib

    for init in PACKAGE.rglob("__init__.py"):
        name = ".".join(["pyg_gears", *init.parent.relative_to(PACKAGE).parts])
        module = importlib.import_module(name)
        for public in module.__all__:
            assert getattr(module, public) is not None
        with pytest.raises(AttributeError):
            _ = module.no_such_name


def test_shapes_in_signatures_are_text() -> None:
    """jaxtyping takes nothing else, and leaves unchecked what it cannot read."""
    for file in FILES:
        nodes = list(ast.walk(ast.parse(file.read_text())))
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"]
        types = {name.name for node in imports for name in node.names}
        for node in nodes:
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") in types:
                assert isinstance(getattr(node.slice.elts[1], "value", None), str), f"{file}: {ast.unparse(node)}"


def message_of(call: ast.Call) -> str | None:
    """The text of an error raised through ``expect``, ``InputError`` or ``NotMeasurable``, with {} for what is filled in."""
    place = {"expect": 1, "InputError": 0, "NotMeasurable": 0}.get(getattr(call.func, "id", ""))
    if place is None or len(call.args) <= place:
        return None
    text = call.args[place]
    if isinstance(text, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in text.values)
    return text.value if isinstance(text, ast.Constant) else None


def test_errors_are_one_sentence_of_expected_found_and_remedy() -> None:
    calls = [node for file in FILES for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    messages = [message for call in calls if (message := message_of(call)) is not None]
    assert len(messages) > 200
    odd = [m for m in messages if not re.fullmatch(r"(\{\}: )?expected .*(found|\{\}).*[;,] .*", m, flags=re.DOTALL)]
    assert not odd
