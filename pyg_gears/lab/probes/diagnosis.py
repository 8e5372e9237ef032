"""The diagnosis of a model on slides: checks first, then every probe, table, figures and maps in one folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyg_gears.data.anndata_io import check_h5ad, read_slide
from pyg_gears.errors import expect
from pyg_gears.report.report_folder import check_report_folder, plain, report_folder
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyg_gears.data import MinisetDataset, Slide
    from pyg_gears.encoders import Encoder
    from pyg_gears.lab.probes.diagnosis_numbers import SlideDiagnosis
    from pyg_gears.models import StructureModel
    from pyg_gears.training import Recipe
    from pyg_gears.transforms import CandidateGraph


def diagnose(
    members: Sequence[StructureModel],
    encoder: Encoder,
    recipe: Recipe,
    slide_paths: Sequence[FilePath],
    out: FilePath,
    *,
    seen: Collection[str] = (),
    validated: Collection[str] = (),
    minisets: int = 50,
    maps: int = 2,
    seed: int = 0,
    candidates: CandidateGraph | None = None,
) -> dict[str, Any]:
    """What the gate and the attention of a trained model do on slides whose positions are known.

    Every slide is embedded by the frozen encoder, and gives a fixed list of minisets, drawn like those that validate a
    training: with ``seed=0`` and the slide that validated, they are the first of these. The folder gets ``report.json`` (every
    number; what is not defined is null), ``report.txt`` (tables), figures over all minisets (PNG) and, in ``maps``, where
    nodes look and how layouts form in the first minisets (first member; nodes chosen by rule, see
    :func:`~pyg_gears.lab.probes.focus_maps.query_nodes`). It appears whole or not at all.

    Args:
        members: Trained structure models.
        encoder: Their frozen encoder.
        recipe: Their recipe; it tells how minisets and candidates are made.
        slide_paths: ``.h5ad`` slides with positions.
        out: A new or empty folder.
        seen: Names (file stems) of slides that the model was trained on.
        validated: Names of slides that chose when training stopped.
        minisets: Minisets drawn from each slide.
        maps: Minisets of each slide, the first ones, that are mapped.
        seed: Seed of all draws.
        candidates: Candidate graph of the model; by default that of the recipe, without a projection.

    Returns:
        The report: ``members``, ``minisets``, ``seed``, ``beta`` and ``slides``, a list with the fields of
        :class:`~pyg_gears.lab.probes.diagnosis_numbers.SlideDiagnosis` (without the single scores of the gate).

    Raises:
        InputError: as :func:`check_diagnosis`.
        ImportError: without matplotlib.
    """
    check_diagnosis(slide_paths, out, minisets, genes=encoder.genes)
    slides = [read_slide(path).subset_genes(encoder.genes) for path in slide_paths]

    from tqdm import tqdm

    from pyg_gears.lab.probes.attention_figures import attention_figures
    from pyg_gears.lab.probes.diagnosis_numbers import PROBES, slide_diagnosis
    from pyg_gears.lab.probes.diagnosis_table import diagnosis_table
    from pyg_gears.lab.probes.gate_figures import gate_figures

    found, drawn = [], []
    with tqdm(total=len(slides) * (1 + PROBES * len(members)), desc="probes", disable=None) as bar:
        for slide in slides:
            status = "seen in training" if slide.name in seen else "held out"

            def progress(step: str, name: str = slide.name) -> None:
                bar.set_postfix_str(f"{name}: {step}")
                bar.update()

            progress("embedding")
            drawn.append(fixed_minisets(encoder, recipe, slide, minisets, seed, candidates))
            found.append(
                slide_diagnosis(
                    members,
                    drawn[-1],
                    "held out, validation" if slide.name in validated else status,
                    node_budget=recipe.training.node_budget,
                    seed=seed,
                    progress=progress,
                )
            )
    report = _report(found, minisets, seed, recipe)
    with report_folder(out) as folder:
        text = json.dumps(report, indent=2, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.txt").write_text(diagnosis_table(report), encoding="utf-8")
        for name, figure in (attention_figures(found) | gate_figures(found, beta=recipe.gate.beta)).items():
            figure.savefig(folder / f"{name}.png", dpi=150)
        (folder / "maps").mkdir()
        for name, figure in tqdm(_maps(members[0], drawn, found, maps), desc="maps", disable=None):
            figure.savefig(folder / "maps" / f"{name}.png", dpi=110)
    return report


def check_diagnosis(
    slide_paths: Sequence[FilePath], out: FilePath, minisets: int, *, genes: Sequence[str] = ()
) -> None:
    """Check what can be told from the files' structure, before anything heavy is loaded.

    Args:
        slide_paths: Slides.
        out: Folder to write.
        minisets: Minisets of each slide.
        genes: Genes that every slide must have.

    Raises:
        InputError: for no slides, names that repeat, a file that is no slide or lacks genes, no minisets, or a folder in use.
        ImportError: without matplotlib.
    """
    names = [Path(path).stem for path in slide_paths]
    expect(bool(names), "expected at least one slide to diagnose the model on, found none; name an .h5ad file.")
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; rename the files.",
    )
    expect(minisets >= 1, f"expected at least one miniset of each slide, found {minisets}; raise it.")
    for path in slide_paths:
        summary = check_h5ad(path, spatial=True)
        missing = set(genes) - set(summary.genes)
        expect(
            not missing,
            f"{summary.name}: expected all {len(genes)} genes of the model, found {len(missing)} missing (for instance "
            f"{min(missing, default='')}); diagnose on slides of the same gene panel, or refit with this one.",
        )
    check_report_folder(out)
    from pyg_gears.report.figure_style import new_figure

    new_figure(1, 1)  # a missing matplotlib is said now, not after the numbers


def fixed_minisets(
    encoder: Encoder, recipe: Recipe, slide: Slide, count: int, seed: int, candidates: CandidateGraph | None = None
) -> MinisetDataset:
    """The minisets of one slide: embedded, with targets and candidates.

    Args:
        encoder: Frozen encoder.
        recipe: Recipe of the model.
        slide: Slide with positions and the encoder's genes.
        count: Number of minisets.
        seed: Added to the seed of the recipe's validation minisets.
        candidates: Candidate graph; by default that of the recipe, without a projection.
    """
    import torch
    from torch_geometric.transforms import Compose

    from pyg_gears.data import EmbeddedSlide, MinisetDataset
    from pyg_gears.graphs import knn
    from pyg_gears.training.preparation import WALK_NEIGHBORS, candidate_search
    from pyg_gears.transforms import GeometricTargets

    x = encoder.encode(slide)
    neighbors = knn(x, WALK_NEIGHBORS, metric=recipe.graph.metric).index
    embedded = EmbeddedSlide(slide.name, x, torch.tensor(slide.pos), neighbors=neighbors)
    start = recipe.training.seed + recipe.minisets.seed + 1_000_003  # as those that validate a training
    draw = dataclasses.replace(recipe.minisets, count=count, paired=False, seed=start + seed)
    transform = Compose([GeometricTargets(), candidates or candidate_search(recipe.graph, None)])
    return MinisetDataset([embedded], draw, pre_transform=transform)


def _maps(
    model: StructureModel, drawn: Sequence[MinisetDataset], found: Sequence[SlideDiagnosis], maps: int
) -> Iterator[tuple[str, Figure]]:
    import torch

    from pyg_gears.lab.probes.focus_maps import miniset_maps

    for dataset, record in zip(drawn, found, strict=True):
        for number in range(min(maps, len(dataset))):
            miniset = dataset[number]
            with torch.no_grad():
                output = model(miniset, return_terms=True)
            truth = dataset.slides[0].pos[miniset.node_id].double().numpy()
            title = f"{record.name} ({record.status}), miniset {number}"
            for name, figure in miniset_maps(output, miniset, truth, title):
                yield f"{record.name}_{number}_{name}", figure


def _report(found: Sequence[SlideDiagnosis], minisets: int, seed: int, recipe: Recipe) -> dict[str, Any]:
    slides = [_as_dict(record) for record in found]
    for slide in slides:
        for member in slide["members"]:
            del member["scores"]
    report = plain(
        {
            "members": len(found[0].members),
            "minisets": minisets,
            "seed": seed,
            "beta": recipe.gate.beta,
            "slides": slides,
        }
    )
    assert isinstance(report, dict)
    return report


def _as_dict(value: Any) -> Any:
    """Records as mappings, all the way down."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: _as_dict(item) for key, item in value.items()}
    return [_as_dict(item) for item in value] if isinstance(value, list | tuple) else value
