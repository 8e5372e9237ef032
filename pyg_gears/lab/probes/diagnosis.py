"""The diagnosis of a fitted model on slides with known positions: checks first, then every probe, then maps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyg_gears.data.counted import counted
from pyg_gears.data.io.anndata_in import DEFAULT
from pyg_gears.data.io.checked_files import checked_files, read_files
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.slide import check_slide
from pyg_gears.errors import expect
from pyg_gears.report.report_folder import check_report_folder
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyg_gears.data import MinisetDataset, Slide
    from pyg_gears.encoders import Encoder
    from pyg_gears.lab.probe import AnyProbe
    from pyg_gears.lab.probes.subject import ModelSubject
    from pyg_gears.models import StructureModel
    from pyg_gears.training import Recipe
    from pyg_gears.transforms import CandidateGraph


def diagnosis_probes() -> tuple[AnyProbe, ...]:
    """The probes of a diagnosis, in the order of the report."""
    from pyg_gears.lab.probes import (
        attention_probe,
        candidate_robustness,
        collapse_rate,
        energy_by_beta,
        gap_decomposition,
        gate_probe,
        gate_scores,
        gradient_alignment,
        graph_recovery,
        layout_rivals,
        negative_controls,
    )

    return (
        layout_rivals.PROBE,
        gap_decomposition.PROBE,
        energy_by_beta.PROBE,
        gate_probe.PROBE,
        gate_scores.PROBE,
        attention_probe.PROBE,
        gradient_alignment.PROBE,
        negative_controls.PROBE,
        collapse_rate.PROBE,
        candidate_robustness.PROBE,
        graph_recovery.PROBE,
    )


def diagnose(
    members: Sequence[StructureModel],
    encoder: Encoder,
    recipe: Recipe,
    slide_paths: Sequence[FilePath],
    out: FilePath,
    *,
    candidates: CandidateGraph,
    seen: Collection[str] = (),
    validated: Collection[str] = (),
    references: Sequence[FilePath] = (),
    minisets: int = 50,
    maps: int = 2,
    seed: int = 0,
    probes: Sequence[AnyProbe] | None = None,
    reading: ReadOptions = DEFAULT,
) -> dict[str, Any]:
    """Run the probes on a trained model and slides whose positions are known.

    Every slide is embedded by the frozen encoder, and gives a fixed list of minisets, drawn like those that validate a
    training: with ``seed=0`` and the slide that validated, they are the first of these. The folder gets ``report.json``,
    ``report.txt``, a figure per probe (PNG and SVG) and, in ``maps``, attention on the tissue and layouts by recycle in the first
    minisets (first member; nodes chosen by rule, see :func:`~pyg_gears.lab.probes.focus_maps.query_nodes`). It appears whole
    or not at all.

    Args:
        members: Trained structure models.
        encoder: Their frozen encoder.
        recipe: Their recipe, by which minisets are drawn.
        slide_paths: ``.h5ad`` slides with positions.
        out: A new or empty folder.
        candidates: Candidate graph of the model.
        seen: Names (file stems) of slides that the model was trained on.
        validated: Names of slides that chose when training stopped.
        references: Further slides of the training on which the simple rivals are fitted; those of ``slide_paths`` that the
            model has seen always are.
        minisets: Minisets drawn from each slide.
        maps: Minisets of each slide, the first ones, that are mapped.
        seed: Seed of all draws.
        probes: By default :func:`diagnosis_probes`.
        reading: How the files are understood.

    Returns:
        The report: ``members``, ``minisets``, ``seed``, ``slides``, and what :func:`pyg_gears.lab.report.write_report` adds.

    Raises:
        InputError: as :func:`check_diagnosis`.
        ImportError: without matplotlib.
    """
    check_diagnosis(slide_paths, out, minisets, genes=encoder.genes, references=references, seen=seen, reading=reading)

    from pyg_gears.lab.probes.subject import HELD_OUT, SEEN, VALIDATED, ModelSubject, SlideSubject
    from pyg_gears.lab.progress_bar import progress_bar
    from pyg_gears.lab.report import measure_probes, write_report

    chosen = diagnosis_probes() if probes is None else probes
    slides, notes = [], []
    for slide, empty in (_with_counts(one, encoder.genes) for one in read_files(slide_paths, options=reading).slides):
        if empty:
            notes.append(f"{slide.name}: {empty} spots without a count in the genes of the model are left out")
        drawn = fixed_minisets(encoder, recipe, slide.subset_genes(encoder.genes), minisets, seed, candidates)
        status = SEEN if slide.name in seen else VALIDATED if slide.name in validated else HELD_OUT
        slides.append(SlideSubject(slide.name, status, drawn, slide))
    fitted_on = [slide.slide for slide in slides if slide.status == SEEN and slide.slide is not None]
    known = {slide.name for slide in fitted_on}
    fitted_on += [slide for slide in read_files(references, options=reading).slides if slide.name not in known]
    with progress_bar(desc="probes") as bar:

        def progress(step: str) -> None:
            bar.set_postfix_str(step)
            bar.update()

        budget = recipe.training.node_budget
        subject = ModelSubject(tuple(members), tuple(slides), candidates, tuple(fitted_on), budget, seed, progress)
        measured = measure_probes(chosen, subject)

    def write_maps(folder: Path) -> None:
        from pyg_gears.report.figure_style import save_figure

        (folder / "maps").mkdir()
        for name, figure in progress_bar(_maps(subject, maps), desc="maps"):
            save_figure(figure, folder / "maps" / f"{name}.png", f"first member; positions in RMS radii; seed {seed}")

    sizes = [slide.minisets.sizes for slide in slides]
    several = len(members) > 1
    head = {
        "members": len(members),
        "minisets": minisets,
        "seed": seed,
        "slides": [
            {"name": slide.name, "status": slide.status, "spots": len(slide.minisets.slides[0].x), "sizes": list(drawn)}
            for slide, drawn in zip(slides, sizes, strict=True)
        ],
    }
    lines = [
        f"{len(members)} {'members' if several else 'member'}, {minisets} minisets of each slide, seed {seed}"
        + ("; mean +- standard deviation over members" if several else ""),
        *(
            f"{one['name']}: {one['spots']} spots, {one['status']}; minisets of {min(one['sizes'])} to {max(one['sizes'])} spots"
            for one in head["slides"]  # type: ignore[attr-defined]
        ),
        *notes,
    ]
    return write_report(out, head, lines, measured, write_maps)


def _with_counts(slide: Slide, genes: Sequence[str]) -> tuple[Slide, int]:
    """The spots that have a count in some genes, with all their genes, and the number of the others."""
    kept = counted(slide.subset_genes(genes)).kept
    if kept.all():
        return slide, 0
    found = slide.select(kept)
    check_slide(found)
    return found, len(slide) - len(found)


def check_diagnosis(
    slide_paths: Sequence[FilePath],
    out: FilePath,
    minisets: int,
    *,
    genes: Sequence[str] = (),
    references: Sequence[FilePath] = (),
    seen: Collection[str] = (),
    reading: ReadOptions = DEFAULT,
) -> None:
    """Check the files by their structure, before anything heavy is loaded.

    Args:
        slide_paths: Slides.
        out: Folder to write.
        minisets: Minisets of each slide.
        genes: Genes that every slide must have.
        references: Slides for the simple rivals.
        seen: Names of slides that the model was trained on; checked where ``references`` are given.
        reading: How the files are understood.

    Raises:
        InputError: for no slides, names that repeat, a file that is no slide or lacks genes, a reference that the model was
            not trained on, no minisets, or a folder in use.
        ImportError: without matplotlib.
    """
    expect(bool(slide_paths), "expected at least one slide to diagnose the model on, found none; name an .h5ad file.")
    expect(minisets >= 1, f"expected at least one miniset of each slide, found {minisets}; raise it.")
    with checked_files(slide_paths, options=reading) as files:
        names, panels = files.names, [(file.source.name, file.genes) for file in files.slides]
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; name them NAME=path.",
    )
    for name, panel in panels:
        missing = set(genes) - set(panel)
        expect(
            not missing,
            f"{name}: expected all {len(genes)} genes of the model, found {len(missing)} missing (for instance "
            f"{min(missing, default='')}); diagnose on slides of the same gene panel, or refit with this one.",
        )
    with checked_files(references, options=reading) as files:
        names = files.names
    for name in names:
        expect(
            name in seen,
            f"{name}: expected a reference that the model was trained on ({', '.join(sorted(seen))}), found another slide; "
            "a rival must know no more than the model.",
        )
    check_report_folder(out)
    from pyg_gears.report.figure_style import check_figures

    check_figures()


def fixed_minisets(
    encoder: Encoder, recipe: Recipe, slide: Slide, count: int, seed: int, candidates: CandidateGraph
) -> MinisetDataset:
    """The minisets of one slide: embedded, with targets and candidates.

    Args:
        encoder: Frozen encoder.
        recipe: Recipe of the model.
        slide: Slide with positions and the encoder's genes.
        count: Number of minisets.
        seed: Chooses sizes and spots; 0 draws as the validation of the training did.
        candidates: Candidate graph of the model.
    """
    import torch

    from pyg_gears.data import EmbeddedSlide
    from pyg_gears.seeds import child_seed
    from pyg_gears.training.minisets import recipe_minisets

    embedded = EmbeddedSlide(slide.name, encoder.encode(slide), torch.tensor(slide.pos))
    return recipe_minisets(
        [embedded], recipe, candidates, seed=child_seed(recipe.training.seed, "validation", seed), count=count
    )


def _maps(subject: ModelSubject, maps: int) -> Iterator[tuple[str, Figure]]:
    """Maps of the first member; a model without attention terms or gate has none."""
    import torch

    from pyg_gears.lab.probe import NotMeasurable
    from pyg_gears.lab.probes.focus_maps import miniset_maps
    from pyg_gears.lab.probes.model_parts import attention_output, require_gate

    model = subject.members[0]
    for slide in subject.slides:
        dataset = slide.minisets
        for number in range(min(maps, len(dataset))):
            miniset = dataset[number]
            try:
                require_gate(model)
                with torch.no_grad():
                    output = attention_output(model, miniset.clone().to(next(model.parameters()).device))
            except NotMeasurable:
                return
            truth = dataset.slides[0].pos[miniset.node_id].double().numpy()
            title = f"{slide.name} ({slide.status}), miniset {number}"
            for name, figure in miniset_maps(output, miniset, truth, title):
                yield f"{slide.name}_{number}_{name}", figure
