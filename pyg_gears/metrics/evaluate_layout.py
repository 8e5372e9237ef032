"""All pose-invariant metrics of one layout against the truth, under stable names."""

from __future__ import annotations

import warnings

from pyg_gears.metrics.calibration import calibration_error, local_rmse
from pyg_gears.metrics.collapse import collapse_statistics
from pyg_gears.metrics.distances import distance_agreement
from pyg_gears.metrics.edges import edge_agreement
from pyg_gears.metrics.energy import energy_agreement
from pyg_gears.metrics.layout_pair import LayoutLike, as_table, placed_cells
from pyg_gears.metrics.neighborhoods import neighborhood_agreement
from pyg_gears.metrics.pose import pose_agreement

BETTER: dict[str, str] = {
    "spearman": "up",
    "pearson": "up",
    "stress_1": "down",
    "edge_auc": "up",
    "edge_bap": "up",
    "shell_f1": "up",
    "trust_20": "up",
    "cont_20": "up",
    "recall_15": "up",
    "procrustes": "down",
    "swd": "down",
    "w1_knn": "down",
    "calibration_error": "down",
    "local_rmse_10": "down",
    "local_rmse_20": "down",
    "local_rmse_50": "down",
    "local_rmse_100": "down",
    "e_geo": "down",
    "l_rw": "down",
    "l_stress": "down",
    "eigenvalue_ratio": "",
    "median_distance": "",
    "nn_p5": "",
    "nn_cv": "",
}
"""Every key of :func:`evaluate_layout` in order: "up", "down", or "" where only a healthy range exists."""


def evaluate_layout(pos: LayoutLike, truth: LayoutLike, *, seed: int = 0) -> dict[str, float]:
    """Compare a layout with the true one, free of pose: shift, turn, mirror and uniform scale change nothing.

    ===================  ====================================================================  ==========  ======
    key                  definition                                                            range       better
    ===================  ====================================================================  ==========  ======
    spearman, pearson    correlation of all pairwise distances                                 [-1, 1]     up
    stress_1             residual of the distances at the optimal scale                        [0, 1]      down
    edge_auc, edge_bap   finding pairs below the 20-neighbour radius; bap balances classes     [0, 1]      up
    shell_f1             macro F1 of distance shells at the 5/10/20/50/100-neighbour radii     [0, 1]      up
    trust_20, cont_20    trustworthiness, continuity of 20 neighbours                          [0, 1]      up
    recall_15            share of the 15 true neighbours among the 15 predicted                [0, 1]      up
    procrustes           residual after the best similarity, mirrors included                  [0, 1]      down
    swd                  sliced Wasserstein distance of the aligned clouds, RMS radius 1       [0, 2]      down
    w1_knn               Wasserstein distance of the 20-neighbour distances, RMS radius 1      >= 0        down
    calibration_error    mean gap of binned predicted and true distances, share of the mean    >= 0        down
    local_rmse_K         relative RMSE of distances in true neighbourhoods of 10, 20, 50, 100  >= 0        down
    e_geo, l_rw,         the training yardstick, E_geo = L_rw + 0.1 L_stress, and its parts    >= 0        down
    l_stress
    eigenvalue_ratio     lambda2 / lambda1 of the layout; a line below 0.01                    [0, 1]      --
    median_distance      of the layout at RMS radius 1; a point below 0.01, healthy 1.2        [0, 2]      --
    nn_p5, nn_cv         5th percentile and variation of nearest-neighbour distances           >= 0        --
    ===================  ====================================================================  ==========  ======

    Above 2000 cells, pairs (two million) and minisets (energy), above 5000 the rows of the neighbourhood metrics (2000
    cells against all), are drawn by the seed. Each family's function documents its own choices.

    Cells without a place (NaN in both coordinates, as ``reconstruct`` gives cells without counts) are left out, with a warning.

    Args:
        pos: Predicted coordinates, shape (n, 2), tensor, array or list, any unit and pose; n >= 6.
        truth: True coordinates of the same cells, shape (n, 2).
        seed: Seed of the draws.

    Returns:
        One float for each key above; ``edge_auc`` and ``edge_bap`` are NaN where no pair, or every pair, is close.

    Raises:
        InputError: for other shapes, values that are not finite, a truth at one point, or a seed below 0.

    >>> import numpy as np
    >>> truth = np.random.default_rng(0).random((50, 2))
    >>> evaluate_layout(-3 * truth[:, ::-1], truth)["trust_20"]
    1.0
    """
    pos, truth = as_table(pos, "predicted"), as_table(truth, "true")
    placed = placed_cells(pos)
    if not placed.all() and len(truth) == len(placed):
        warnings.warn(
            f"{int((~placed).sum())} of {len(placed)} cells have no place (NaN): they are left out of the metrics.",
            stacklevel=2,
        )
        pos, truth = pos[placed], truth[placed]
    distances = distance_agreement(pos, truth, seed=seed)
    edges = edge_agreement(pos, truth, seed=seed)
    neighborhoods = neighborhood_agreement(pos, truth, seed=seed)
    scores = {
        **distances._asdict(),
        "edge_auc": edges.auc,
        "edge_bap": edges.bap,
        "shell_f1": edges.shell_f1,
        "trust_20": neighborhoods.trust,
        "cont_20": neighborhoods.cont,
        "recall_15": neighborhoods.recall,
        **pose_agreement(pos, truth)._asdict(),
        "calibration_error": calibration_error(pos, truth, seed=seed),
        **{f"local_rmse_{k}": value for k, value in local_rmse(pos, truth, seed=seed).items()},
        **energy_agreement(pos, truth, seed=seed)._asdict(),
        **collapse_statistics(pos, seed=seed)._asdict(),
    }
    return {key: float(scores[key]) for key in BETTER}
