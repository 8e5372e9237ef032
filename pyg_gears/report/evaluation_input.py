"""What an evaluation reads: cells with a place, their truth and types, and the slides of the rivals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyg_gears.data.gene_overlap import SMALL_SHARE, check_overlap
from pyg_gears.data.io.anndata_in import cells_from_anndata
from pyg_gears.data.io.anndata_out import check_output
from pyg_gears.data.io.checked_files import checked_files
from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.errors import argument, expect
from pyg_gears.report.report_folder import check_report_folder
from pyg_gears.report.true_positions import true_positions
from pyg_gears.typing import FilePath, FloatArray

if TYPE_CHECKING:
    from anndata import AnnData

    from pyg_gears.data import Slide

LABEL_KEYS = ("cell_type", "celltype", "type", "label", "labels", "annotation", "layer", "cluster")


@dataclass(frozen=True)
class EvaluationInput:
    """Cells that take part in an evaluation, with what they are compared with.

    Attributes:
        path: The layout's file.
        adata: The cells that have a place and, where some have a true one, that.
        cells: Their counts.
        truth: Their true places, shape (n, 2); None where none is known.
        truth_key: Where these were looked for.
        labels: Their types, shape (n,), if there is a column of types.
        label_key: That column.
        slides: Slides that the rivals learn from.
        unplaced: Number of cells without a place, which are left out.
        unknown: Number of cells without a true place, which are left out too.
    """

    path: Path
    adata: AnnData
    cells: Slide
    truth: FloatArray | None
    truth_key: str
    labels: np.ndarray | None
    label_key: str | None
    slides: list[Slide]
    unplaced: int
    unknown: int

    @property
    def pos(self) -> FloatArray:
        """The layout, shape (n, 2)."""
        return np.asarray(self.adata.obsm["X_gears"], dtype=np.float64)

    @property
    def confidence(self) -> FloatArray:
        """Confidence of each cell, shape (n,)."""
        return np.asarray(self.adata.obs["gears_confidence"], dtype=np.float64)


def read_evaluation_input(
    layout_path: FilePath,
    truth_key: str,
    references: Sequence[FilePath],
    outputs: tuple[FilePath | None, FilePath | None],
    label_key: str | None,
    reading: ReadOptions,
) -> EvaluationInput:
    """Read layout and reference slides, once the outputs are checked.

    Args:
        layout_path: The layout's file.
        truth_key: Where the true positions are.
        references: Slides that the rivals learn from.
        outputs: File for the numbers and folder for the figures, each None if none is wanted.
        label_key: Column of ``obs`` with cell types; by default the first of ``LABEL_KEYS`` with at least two types.
        reading: How the layout's counts and the reference slides are understood.

    Raises:
        InputError: for a file that is not a layout, bad references, truth of another shape, or outputs that exist.
    """
    path = named_path(layout_path).path
    slides, reading = _checked_references(path, references, *outputs, reading)
    with open_source(path) as source:
        adata = source.to_anndata()
    adata, unplaced = _placed(adata, path.stem)
    truth = true_positions(adata, truth_key, path.stem)
    adata, truth, unknown = _with_truth(adata, truth)
    cells = cells_from_anndata(adata, path.stem, reading)
    _check_shared([*slides, cells])
    labels, label_key = _labels(adata, label_key)
    return EvaluationInput(path, adata, cells, truth, truth_key, labels, label_key, slides, unplaced, unknown)


def _checked_references(
    layout_path: FilePath,
    references: Sequence[FilePath],
    json_path: FilePath | None,
    figures_dir: FilePath | None,
    reading: ReadOptions,
) -> tuple[list[Slide], ReadOptions]:
    """The reference slides, and how the layout's file is understood, when all outputs can be written."""
    with checked_files(references, layout_path, reading) as files:
        assert files.cells is not None
        layout = files.cells.source
        expect(
            layout.has("obsm/X_gears") and layout.has("obs/gears_confidence"),
            f"{layout.name}: expected a layout in obsm['X_gears'] and obs['gears_confidence'], found none; "
            "make one with pyg-gears reconstruct.",
        )
        _check_outputs(json_path, figures_dir)
        return [slide for file in files.slides for slide in file.read()], files.cells.options


def _check_shared(files: Sequence[Slide]) -> None:
    """Warn of rivals that learn from hardly any gene: they are no comparison.

    Raises:
        InputError: when layout and slides share fewer than 10 genes.
    """
    common = set(files[0].genes).intersection(*(file.genes for file in files))
    if len(common) < SMALL_SHARE * min(len(file.genes) for file in files):
        check_overlap(files, stacklevel=4)


def _check_outputs(json_path: FilePath | None, figures_dir: FilePath | None) -> None:
    if json_path is not None:
        check_output(json_path)
    if figures_dir is not None:
        from pyg_gears.report.figure_style import check_figures

        check_figures()
        check_report_folder(figures_dir)


def _with_truth(adata: AnnData, truth: FloatArray | None) -> tuple[AnnData, FloatArray | None, int]:
    """The cells whose true place is known, that truth, and the number of the others; all cells where none is known."""
    known = np.zeros(0, dtype=bool) if truth is None else np.isfinite(truth).all(axis=1)
    if truth is None or not known.any():
        return adata, None, 0
    return (adata, truth, 0) if known.all() else (adata[known].copy(), truth[known], int((~known).sum()))


def _labels(adata: AnnData, key: str | None) -> tuple[np.ndarray | None, str | None]:
    if key is not None:
        columns = ", ".join(map(str, adata.obs.columns))
        expect(key in adata.obs, f"expected cell types in obs[{key!r}], found columns {columns}; name one of them.")
        kinds = int(adata.obs[key].nunique())
        expect(
            2 <= kinds < adata.n_obs,
            f"expected two or more cell types in obs[{key!r}], found {kinds} in {adata.n_obs} cells; name another column with "
            f"{argument('label_key')}.",
        )
    for name in (key,) if key is not None else LABEL_KEYS:
        if name in adata.obs and 2 <= adata.obs[name].nunique() < adata.n_obs:
            return np.asarray(adata.obs[name].astype(str)), name
    return None, None


def _placed(adata: AnnData, name: str) -> tuple[AnnData, int]:
    """The cells that have a place, and the number of the others."""
    from pyg_gears.metrics import placed_cells

    pos = np.asarray(adata.obsm["X_gears"])
    expect(
        pos.ndim == 2 and pos.shape[1] == 2 and pos.dtype.kind in "fiu",
        f"{name}: expected a layout of shape (n, 2) in obsm['X_gears'], found {pos.dtype} of shape {pos.shape}; make one with "
        "pyg-gears reconstruct.",
    )
    placed = placed_cells(pos)
    return (adata, 0) if placed.all() else (adata[placed].copy(), int((~placed).sum()))
