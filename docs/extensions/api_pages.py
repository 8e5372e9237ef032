"""One API page a room: everything in its ``__all__``, classes first, in the order of the source's names."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer

ROOMS = {
    "pyg_gears": "Fit, reconstruct, save, load",
    "geometry": "The plane, without learning",
    "graphs": "Candidates, look-ups, sums over edges",
    "data": "Slides, cells, minisets",
    "targets": "Geometric targets",
    "transforms": "PyG transforms",
    "losses": "Losses and the yardstick",
    "losses.latent": "Losses of the published model",
    "spectral": "Smooth functions of a graph",
    "encoders": "From expression to embedding",
    "nn": "Layers",
    "models": "Structure models",
    "models.generator_diffusion": "Parts of the published model",
    "metrics": "Metrics of a layout",
    "baselines": "The simple rivals",
    "training": "The recipe",
    "layout": "From patches to a layout",
    "transfer": "Structure from one graph to another",
    "report": "A layout beside the rivals",
    "testing": "Properties that a layer must have",
    "configuration": "What a section of the recipe is",
    "typing": "Letters and types",
    "errors": "Errors in one sentence",
    "ranks": "Several processes as one run",
}
LAB = {
    "lab.probe": "What a probe is",
    "lab.probes": "Probes of gate and attention",
    "lab.encoders": "Batch effect",
    "lab.experiments": "Experiments",
    "lab.benchmark": "Comparisons by protocol",
    "lab.targets": "The targets themselves",
    "lab.models": "The bench of structure models",
}
# What docstrings refer to without its being in the room's ``__all__``.
MORE = {
    "nn": ["pyg_gears.nn.qk_scale.qk_scale", "pyg_gears.nn.edge_rows.EdgeRows", "pyg_gears.nn.edge_rows.edge_rows"],
    "models": [
        "pyg_gears.models.gate_smoothing.GateSmoothing",
        "pyg_gears.models.moving_model.MovingModel",
        "pyg_gears.models.drift.Drift",
        "pyg_gears.models.drift.travel_edges",
        "pyg_gears.models.operator_decoders.spectral_coordinates",
    ],
    "lab.models": ["pyg_gears.lab.models.bench_table.bench_frame"],
    "data": [
        "pyg_gears.data.geodesic_draw.draw_geodesic",
        "pyg_gears.data.geodesic_draw.geodesic_graph",
        "pyg_gears.data.paired_draw.draw_kinds",
    ],
    "spectral": ["pyg_gears.spectral.block_eigenvectors.block_eigenvectors"],
    "encoders": ["pyg_gears.encoders.linear_encoder.LinearEncoder"],
    "lab.probe": ["pyg_gears.lab.report.write_report"],
    "training": [
        f"pyg_gears.training.{section}_recipe"
        for section in (
            *(
                "embedding",
                "embedding_section",
                "published_embedding",
                "model",
                "gate",
                "generator_diffusion",
                "regression",
            ),
            *("distance", "flow", "generative", "placement", "set", "stochastic_ipa"),
        )
    ]
    + ["pyg_gears.training.preparation.Prepared"],
    "lab.encoders": ["pyg_gears.lab.encoders.gene_sets.read_gene_sets"],
    "lab.probes": ["pyg_gears.lab.probes.focus_maps.query_nodes"],
    "lab.experiments": [
        "pyg_gears.lab.experiments.criterion.Measured",
        "pyg_gears.lab.experiments.trained_run.TrainedRun",
        "pyg_gears.lab.experiments.fold.prepare_fold",
        "pyg_gears.lab.experiments.evaluations.EVALUATIONS",
        "pyg_gears.lab.experiments.random_candidates.RandomCandidates",
    ],
}
# Documented on the page of its own room.
ELSEWHERE = {"pyg_gears.Recipe": "`Recipe` is described in [`training`](training.md)."}


def write_api_pages(folder: Path) -> None:
    """Write ``ROOM.md`` for every room; files that would not change are left alone, so that Sphinx does not read them again."""
    folder.mkdir(exist_ok=True)
    pages = {}
    for room, title in (ROOMS | LAB).items():
        name = "pyg_gears" if room == "pyg_gears" else f"pyg_gears.{room}"
        pages[f"{room.replace('.', '_')}.md"] = page(
            name, f"`{room}`: {title[0].lower()}{title[1:]}", MORE.get(room, [])
        )
    for stale in folder.glob("*.md"):
        if stale.name not in pages and stale.name != "recipe_fields.md":
            stale.unlink()
    for file, text in pages.items():
        write_if_new(folder / file, text)


def page(name: str, title: str, more: list[str]) -> str:
    """The Markdown of one room."""
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    names = sorted(listed) if listed is not None else own_names(module)
    paths = [f"{name}.{public}" for public in names if public != "__version__"]
    blocks = [directive(path) for path in paths if path not in ELSEWHERE] + [directive(path) for path in more]
    body = "\n\n".join([f".. automodule:: {name}\n   :no-members:", *blocks])
    notes = "".join(f"\n{ELSEWHERE[path]}\n" for path in paths if path in ELSEWHERE)
    return f"# {title}\n\n```{{eval-rst}}\n{body}\n```\n{notes}"


def own_names(module: ModuleType) -> list[str]:
    """Public names that a module without ``__all__`` defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def directive(path: str) -> str:
    """The autodoc directive that fits the kind of object."""
    value = find(path)
    if isinstance(value, ModuleType):
        return f".. automodule:: {path}\n   :members:"
    if inspect.isclass(value):
        return f".. autoclass:: {path}\n   :members:\n   :show-inheritance:"
    if callable(value) and not isinstance(value, type(list[int])):
        return f".. autofunction:: {path}"
    return f".. py:data:: {path}\n\n   {constant_docstring(path, value)}"


def find(path: str) -> Any:
    """The object of a dotted path."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        owner, _, name = path.rpartition(".")
        return getattr(importlib.import_module(owner), name)


def constant_docstring(path: str, value: Any) -> str:
    """The text below a constant in the module that defines it: a plain dict or tuple has no docstring of its own."""
    owner, _, name = path.rpartition(".")
    for module, content in list(sys.modules.items()):
        if module.startswith(owner) and vars(content).get(name) is value:
            text = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name))
            if text:
                return " ".join(text)
    return ""


def write_if_new(file: Path, text: str) -> None:
    """Write a file unless it already holds that text."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
