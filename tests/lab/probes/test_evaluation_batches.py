from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.lab.probes.evaluation_batches import MinisetTable, evaluation_batches, miniset_means


def test_every_miniset_comes_once_under_its_number(minisets) -> None:
    model, seen = torch.nn.Linear(1, 1), []
    with evaluation_batches(model, minisets, 90) as batches:
        assert not model.training
        for ids, batch in batches:
            assert not torch.is_grad_enabled()
            assert [batch[i].x.tolist() for i in range(len(ids))] == [minisets[i].x.tolist() for i in ids]
            seen += ids
    assert sorted(seen) == list(range(len(minisets)))
    assert model.training
    assert torch.is_grad_enabled()


def test_the_model_goes_back_to_training_after_an_error(minisets) -> None:
    model = torch.nn.Linear(1, 1)

    def fails() -> None:
        with evaluation_batches(model, minisets, 90) as batches:
            next(batches)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert model.training
    model.eval()
    with evaluation_batches(model, minisets, 90):
        pass
    assert not model.training


def test_no_miniset_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="expected at least one miniset"),
        evaluation_batches(torch.nn.Linear(1, 1), [], 90),
    ):
        pass


def test_means_and_spreads_leave_out_what_is_unknown(minisets) -> None:
    batch = Batch.from_data_list([minisets[0], minisets[1]])
    values = torch.randn(batch.num_nodes, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0, 0] = values[batch.batch == 1, 1] = torch.nan
    means = miniset_means(values, batch)
    np.testing.assert_allclose(means[:, 0], [values[batch.batch == g, 0].nanmean() for g in (0, 1)])
    assert np.isnan(means[1, 1])
    table = MinisetTable(3)
    table.add("a", [2, 0], means)
    np.testing.assert_allclose(table.mean("a"), [means[:, 0].mean(), means[0, 1]])
    np.testing.assert_allclose(table.spread("a"), [means[:, 0].std(), 0])
    assert np.isnan(table.values("a")[1]).all()
    table.add("b", [0, 1], torch.tensor([1.0, 3.0]))
    assert (table.mean("b"), table.spread("b")) == (2.0, 1.0)
