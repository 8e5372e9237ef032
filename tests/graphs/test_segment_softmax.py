from __future__ import annotations

import pytest
import torch
from torch_geometric.utils import softmax

from pyg_gears.graphs.segment_softmax import segment_log_softmax, segment_softmax, segment_sum


def example(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(40, 3, generator=generator, dtype=dtype)
    return logits, torch.randint(0, 9, (40,), generator=generator)  # unsorted; groups 9..11 stay empty


def test_equals_pyg_forward_and_backward() -> None:
    logits, index = example()
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    weight = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    a, b = segment_softmax(ours, index, 12), softmax(theirs, index, num_nodes=12)
    torch.testing.assert_close(a, b, atol=1e-14, rtol=1e-12)
    (a * weight).sum().backward()
    (b * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-14, rtol=1e-10)


def test_equals_torch_scatter_where_it_is_installed() -> None:
    torch_scatter = pytest.importorskip("torch_scatter")
    logits, index = example()
    expected = torch_scatter.scatter_softmax(logits, index, dim=0)
    torch.testing.assert_close(segment_softmax(logits, index, 12), expected)


def test_gradcheck() -> None:
    logits, index = example()
    assert torch.autograd.gradcheck(lambda z: segment_softmax(z, index, 12), logits.requires_grad_())


def test_masked_and_huge_logits_stay_finite() -> None:
    logits = torch.tensor([[-1e30], [-1e30], [1e30], [0.0]], requires_grad=True)
    alpha = segment_softmax(logits, torch.tensor([0, 0, 1, 1]), 2)
    assert alpha.flatten().tolist() == [0.5, 0.5, 1.0, 0.0]
    alpha.square().sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_no_edges() -> None:
    assert segment_softmax(torch.empty(0, 2), torch.empty(0, dtype=torch.long), 3).shape == (0, 2)


def test_segment_sum() -> None:
    values, index = example()
    expected = torch.stack([values[index == group].sum(dim=0) for group in range(12)])
    torch.testing.assert_close(segment_sum(values, index, 12), expected)
    torch.testing.assert_close(segment_sum(values[:, 0], index, 12), expected[:, 0])


@pytest.mark.parametrize("columns", [0, slice(None)])
def test_log_softmax_is_the_logarithm_and_keeps_far_logits(columns: int | slice) -> None:
    logits, index = example()
    values = logits[:, columns].clone().requires_grad_()
    expected = segment_softmax(values, index, 12).log()
    found = segment_log_softmax(values, index, 12)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    assert torch.autograd.gradgradcheck(lambda v: segment_log_softmax(v, index, 12), values)
    far = segment_log_softmax(torch.tensor([0.0, -1e6]), torch.tensor([0, 0]), 1)
    assert far.tolist() == [0.0, -1e6]


def test_log_softmax_is_finite_for_huge_logits() -> None:
    values = torch.tensor([1e30, 0.0, -1e30], dtype=torch.float64, requires_grad=True)
    found = segment_log_softmax(values, torch.tensor([0, 0, 1]), 3)
    assert found.tolist() == [0.0, -1e30, 0.0]
    found.sum().backward()
    assert torch.isfinite(values.grad).all()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_a_group_without_a_row_leaves_no_nan_behind() -> None:
    """Under anomaly detection torch stops at a NaN even where nothing reads it."""
    values = torch.tensor([0.3, 1.2, -0.5], dtype=torch.float64, requires_grad=True)
    with torch.autograd.detect_anomaly(check_nan=True):
        (grad,) = torch.autograd.grad(
            segment_log_softmax(values, torch.tensor([0, 0, 2]), 4)[0], values, create_graph=True
        )
        grad[1].backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
