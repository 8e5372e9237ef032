"""Synthetic tissue: sections with one rule of organisation, spots that pool cells, and dissociated cells with truth.

A tissue has a pattern (lobules, layers or a gradient), cell types placed by it, and smooth spatial programmes along its
axes. Each section draws its own outline, pattern (lobule centres, waves), pose and gene-wise batch shift: what
carries over from one section to the next is the rule, not the picture.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.data.io.anndata_out import check_outputs, slide_anndata
from pyg_gears.data.io.store_anndata import store_anndata
from pyg_gears.data.slide import MIN_CELLS, MIN_SPOTS, Slide
from pyg_gears.data.tissue import draw_rule, draw_section, draw_types, express, lay_spots, pose_section, scatter_cells
from pyg_gears.data.whole_file import whole_file, writing
from pyg_gears.errors import expect, nearest_name
from pyg_gears.typing import FilePath

TISSUES = ("lobules", "layers", "gradient")
LATTICES = ("hexagonal", "square")

_PITCH = 100.0  # distance of spots, micrometres
_SPOT_RADIUS = 27.5  # as on arrays with a pitch of 100 micrometres


class SimulationOutput(NamedTuple):
    """A simulated experiment.

    Attributes:
        slides: Sections of spots with positions (micrometres).
        cells: Dissociated cells of a further, unseen section; no positions.
        cells_pos: Where they truly were, shape (n, 2), micrometres.
        cells_type: Their type, shape (n,), 0..5; the last is found everywhere.
    """

    slides: tuple[Slide, ...]
    cells: Slide
    cells_pos: Float[np.ndarray, "n 2"]
    cells_type: Int[np.ndarray, " n"]


def simulate_tissue(
    tissue: str = "lobules",
    slides: int = 3,
    cells: int = 2000,
    seed: int = 0,
    *,
    spots: int = 600,
    genes: int = 400,
    cells_per_spot: float = 5.0,
    depth: float = 400.0,
    capture: float = 2.0,
    dispersion: float = 4.0,
    batch: float = 0.3,
    lattice: str = "hexagonal",
) -> SimulationOutput:
    r"""Simulate sections of one tissue and dissociated cells of a further section.

    Counts of gene g in cell i are negative binomial with mean
    :math:`\ell_i \, e^{b_g} \operatorname{softmax}_g(\mu_g + M_{t_i g} + \sum_f P_{fg} \phi_f(p_i))` and variance
    mean + mean^2 / ``dispersion``: base expression, markers of the cell's type, smooth programmes of its place, size of
    the cell times depth, and the section's batch shift. A spot sums its cells.

    Args:
        tissue: "lobules" (zones around many centres, and faint axes), "layers" (bands, and a lateral axis) or
            "gradient" (two axes).
        slides: Number of sections, at least 1.
        cells: Number of dissociated cells, at least 3.
        seed: Chooses everything.
        spots: Spots of each section, at least 30.
        genes: Number of genes, at least 12 (every type needs markers).
        cells_per_spot: Mean number of cells in a spot (at least 1; Poisson above the first).
        depth: Mean counts of a cell within a spot.
        capture: Depth of dissociated cells relative to that.
        dispersion: Size of the negative binomial, > 0; small is noisy.
        batch: Standard deviation of the gene-wise log shift of each section.
        lattice: "hexagonal" or "square".

    Returns:
        Slides and cells; 20,000 cells of 400 genes take one or two seconds.

    Raises:
        InputError: for an unknown tissue or lattice, or a number out of range.

    >>> len(simulate_tissue("layers", slides=1, cells=50, spots=40).cells)
    50
    """
    for name, known in ((tissue, TISSUES), (lattice, LATTICES)):
        expect(name in known, f"expected one of {known}, found {name!r}{nearest_name(name, known)}; name one of them.")
    least: dict[str, tuple[float, float]] = {
        "slides": (slides, 1),
        "cells": (cells, MIN_CELLS),
        "spots": (spots, MIN_SPOTS),
    }
    least |= {"genes": (genes, 12), "cells_per_spot": (cells_per_spot, 1), "batch": (batch, 0), "seed": (seed, 0)}
    for what, (found, low) in least.items():
        expect(found >= low, f"expected {what} of at least {low}, found {found}; raise it.")
    for what, value in (("depth", depth), ("capture", capture), ("dispersion", dispersion)):
        expect(value > 0, f"expected a positive {what}, found {value}; raise it.")
    rule = draw_rule(tissue, genes, np.random.default_rng([seed, 0]))
    names = tuple(f"gene_{i:04d}" for i in range(genes))
    scale = _PITCH * np.sqrt(spots * (np.sqrt(3) / 2 if lattice == "hexagonal" else 1.0) / np.pi)
    sections = []
    for number in range(slides):
        rng = np.random.default_rng([seed, 1, number])
        section = draw_section(genes, batch, rng)
        centres = lay_spots(section, spots, lattice, rng)
        owner = np.repeat(np.arange(spots), 1 + rng.poisson(cells_per_spot - 1, spots))
        angle = rng.uniform(0, 2 * np.pi, owner.size)
        radius = _SPOT_RADIUS / scale * np.sqrt(rng.uniform(size=owner.size))
        place = centres[owner] + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        counts = express(rule, section, place, draw_types(rule, section, place, rng), depth, dispersion, rng)
        pool = csr_array((np.ones(owner.size, np.float32), (owner, np.arange(owner.size))), shape=(spots, owner.size))
        label = f"slide_{number}"
        spot_names = tuple(f"{label}-spot_{i:05d}" for i in range(spots))
        sections.append(
            Slide(label, csr_array(pool @ counts), names, spot_names, pose_section(section, centres, scale))
        )
    rng = np.random.default_rng([seed, 2])
    section = draw_section(genes, batch, rng)
    place = scatter_cells(section, cells, rng)
    kind = draw_types(rule, section, place, rng)
    counts = express(rule, section, place, kind, depth * capture, dispersion, rng)
    loose = Slide("cells", counts, names, tuple(f"cell_{i:06d}" for i in range(cells)))
    return SimulationOutput(tuple(sections), loose, pose_section(section, place, scale), kind)


def write_simulation(
    out: FilePath, *, tissue: str = "lobules", slides: int = 3, cells: int = 2000, seed: int = 0, spots: int = 600
) -> list[Path]:
    """Simulate and write ``slide_0.h5ad`` ... and ``cells.h5ad`` (truth in ``obsm["spatial_true"]``).

    Args:
        out: Folder; made if missing. None of the files may exist.
        tissue: As in ``simulate_tissue``.
        slides: As in ``simulate_tissue``.
        cells: As in ``simulate_tissue``.
        seed: As in ``simulate_tissue``.
        spots: As in ``simulate_tissue``.

    Returns:
        The files written.

    Raises:
        InputError: as ``simulate_tissue``, and when a file exists or the folder cannot be written.
    """
    folder = Path(out)
    names = [*(f"slide_{number}.h5ad" for number in range(slides)), "cells.h5ad"]
    check_outputs(folder, names)
    simulated = simulate_tissue(tissue, slides, cells, seed, spots=spots)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    check_outputs(folder, names)  # another run may have written them until now
    paths = [folder / name for name in names]
    label = np.array([f"type_{i}" for i in simulated.cells_type])
    cells_file = slide_anndata(
        simulated.cells, obs={"cell_type": label}, obsm={"spatial_true": np.array(simulated.cells_pos)}
    )
    with (
        ExitStack() as stack
    ):  # all files appear, or none: what is left of a stopped call would be in the next one's way
        for path, adata in zip(paths, [*map(slide_anndata, simulated.slides), cells_file], strict=True):
            store_anndata(stack.enter_context(whole_file(path)), adata)
    return paths
