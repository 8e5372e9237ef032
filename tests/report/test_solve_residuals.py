from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pyg_gears.report.solve_residuals import solve_residuals


def test_layout_distance_minus_the_stored_one_without_unplaced_cells() -> None:
    pos = np.array([[0.0, 0.0], [3.0, 4.0], [np.nan, np.nan]])
    distances = csr_array(([4.5, 1.0], ([0, 1], [1, 2])), shape=(3, 3))
    found = solve_residuals(pos, distances)
    np.testing.assert_allclose(found.residual, [0.5])
    np.testing.assert_allclose(found.distance, [4.5])
