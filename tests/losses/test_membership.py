from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.losses import linear_stress, log_stress, random_walk_kl, repulsion, walk_entropy
from pyg_gears.losses.membership import membership
from pyg_gears.transforms import GeometricTargets


def test_one_graph_is_on_the_device_of_what_is_known() -> None:
    """The meta device stands for any device but the CPU: a tensor left on the CPU does not mix with it."""
    there = torch.device("meta")
    for data, device in (
        (Data(num_nodes=5), there),
        (Data(x=torch.zeros(5, 2, device=there)), None),
        (Data(sigma=torch.zeros(5, device=there)), None),
    ):
        found = membership(data, 5, device)
        assert {tensor.device for tensor in found} == {there}
    assert membership(Data(num_nodes=5), 5).batch.device == torch.device("cpu")


def test_losses_stay_on_the_device_of_the_coordinates() -> None:
    pos = torch.zeros(5, 2, device="meta")
    assert repulsion(pos, Data(num_nodes=5), torch.Generator().manual_seed(0)).device == pos.device


def test_fields_of_one_graph_and_of_a_batch() -> None:
    one = membership(Data(num_nodes=3), 3)
    assert [tensor.tolist() for tensor in one] == [[0, 0, 0], [0, 3], [3]]
    batch = Batch.from_data_list([Data(x=torch.zeros(n, 1)) for n in (2, 3)])
    for data in (batch, Data(batch=batch.batch)):
        found = membership(data, 5)
        assert [tensor.tolist() for tensor in found] == [[0, 0, 1, 1, 1], [0, 2, 5], [2, 3]]
    values = torch.tensor([1.0, 3.0, 2.0, 4.0, 9.0])
    assert found.node_mean(values).tolist() == [2.0, 5.0]
    assert found.edge_mean(values[:2], torch.tensor([2, 4])).tolist() == [0.0, 2.0]
    with pytest.raises(InputError, match="expected coordinates of the 5 nodes of the batch, found 4"):
        membership(batch, 4)


@pytest.mark.parametrize("loss", [random_walk_kl, log_stress, linear_stress, walk_entropy])
def test_half_precision_loses_digits_only(loss) -> None:
    """Float16 holds neither the floor 1e-12 of a squared distance nor the offset 1e-8 of a probability."""
    pos = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
    data = GeometricTargets()(Data(pos=pos))
    predicted = (pos.flip(1) + 0.1 * pos).half()
    expected = loss(predicted.double(), data)
    half = predicted.clone().requires_grad_()
    found = loss(half, data)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    found.backward()
    assert half.grad.dtype == torch.float16
    assert torch.isfinite(half.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_leaves_the_walks_alone(dtype: torch.dtype) -> None:
    pos = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
    data = GeometricTargets()(Data(pos=pos))
    expected = random_walk_kl(pos.flip(0), data)
    with torch.autocast("cpu", dtype):
        assert random_walk_kl(pos.flip(0), data).item() == expected.item()
