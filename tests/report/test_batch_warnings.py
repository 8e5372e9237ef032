from __future__ import annotations

import numpy as np
import pandas as pd

from pyg_gears.report.batch_warnings import batch_warnings


def test_batches_that_lie_apart_are_named_and_mixed_ones_are_not() -> None:
    generator = np.random.default_rng(0)
    pos = generator.random((600, 2))
    left = np.where(pos[:, 0] < 0.5, "one", "two")
    obs = pd.DataFrame(
        {
            "batch": left,
            "donor": generator.permutation(left),
            "cell_type": left,
            "sample": "only",
            "lane": np.arange(600),
        }
    )
    (warning,) = batch_warnings(obs, pos)
    assert "obs['batch']" in warning
    assert "50% by chance" in warning
    shown = int(warning.split("obs['batch']: ")[1].split("%")[0])
    assert 90 < shown < 100


def test_a_weak_separation_and_few_cells_give_none() -> None:
    generator = np.random.default_rng(1)
    pos = generator.random((600, 2))
    weak = np.where(pos[:, 0] + generator.normal(size=600) < 0.5, "one", "two")
    assert batch_warnings(pd.DataFrame({"batch": weak}), pos) == []
    assert batch_warnings(pd.DataFrame({"batch": ["a"] * 5 + ["b"] * 5}), np.arange(20.0).reshape(10, 2)) == []
