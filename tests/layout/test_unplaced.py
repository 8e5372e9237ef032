from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pyg_gears.layout import LayoutOutput, with_unplaced


def test_rows_go_where_their_cells_are() -> None:
    pos = np.arange(6.0).reshape(3, 2)
    distances = csr_array(np.array([[0, 1.0, 2.0], [1.0, 0, 0], [2.0, 0, 0]]))
    found = with_unplaced(LayoutOutput(pos, distances, {"mode": "whole"}), np.array([False, True, True, False, True]))
    assert np.isnan(found.pos[[0, 3]]).all()
    np.testing.assert_array_equal(found.pos[[1, 2, 4]], pos)
    dense = found.distances.toarray()
    np.testing.assert_array_equal(dense[np.ix_([1, 2, 4], [1, 2, 4])], distances.toarray())
    assert found.distances.nnz == distances.nnz
    assert np.diff(found.distances.indptr).tolist() == [0, 2, 1, 0, 1]
    assert found.report == {"mode": "whole", "unplaced": 2}
