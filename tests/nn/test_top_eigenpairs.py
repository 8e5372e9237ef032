from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.nn import top_eigenpairs
from pyg_gears.nn.top_eigenpairs import eigenpairs_or_nan


def symmetric(n: int, seed: int = 0) -> Tensor:
    matrix = torch.randn(2, n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return matrix + matrix.mT


def test_values_fall_and_vectors_belong_to_them() -> None:
    matrix = symmetric(6)
    values, vectors = top_eigenpairs(matrix, 3)
    assert (values.diff(dim=-1) < 0).all()
    torch.testing.assert_close(matrix @ vectors, vectors * values[:, None])
    torch.testing.assert_close(values[:, 0], torch.linalg.eigvalsh(matrix)[:, -1])
    assert (vectors.pow(3).sum(dim=1) >= 0).all()
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    torch.testing.assert_close(top_eigenpairs(matrix[:, order][:, :, order], 3)[1], vectors[:, order])


def test_the_gradient_is_right() -> None:
    assert torch.autograd.gradcheck(measured, symmetric(5).requires_grad_())


def test_equal_eigenvalues_elsewhere_do_no_harm() -> None:
    """Three rows of padding, where the gradient of ``torch.linalg.eigh`` is NaN; and two wanted ones that are equal."""
    inner = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64, requires_grad=True)
    padded = torch.nn.functional.pad(inner, (0, 3, 0, 3))
    values, vectors = top_eigenpairs(padded, 2)
    (values[0] * vectors[0, 0] ** 2).backward()
    small = inner.detach().clone().requires_grad_()
    value, vector = top_eigenpairs(small, 2)
    (value[0] * vector[0, 0] ** 2).backward()
    torch.testing.assert_close(inner.grad, small.grad)
    plain = torch.nn.functional.pad(inner.detach(), (0, 3, 0, 3)).requires_grad_()
    torch.linalg.eigh(plain).eigenvectors[0, -1].backward()
    assert plain.grad.isnan().any()
    twice = torch.eye(3, dtype=torch.float64).requires_grad_()
    _, pair = top_eigenpairs(twice, 2)
    (pair @ pair.T)[0, 0].backward()
    assert twice.grad.isfinite().all()


def measured(x: Tensor) -> Tensor:
    """A function of the largest two eigenpairs that does not depend on signs."""
    values, vectors = top_eigenpairs(x + x.mT, 2)
    return torch.cat([values, (vectors * vectors.new_tensor([1.0, 2.0]) @ vectors.mT).flatten(-2)], dim=-1)


def test_under_torch_func() -> None:
    matrices, direction = symmetric(5), symmetric(5, seed=1)
    torch.testing.assert_close(torch.vmap(measured)(matrices), measured(matrices))
    plain = matrices[0].clone().requires_grad_()
    measured(plain).square().sum().backward()
    torch.testing.assert_close(torch.func.grad(lambda x: measured(x).square().sum())(matrices[0]), plain.grad)
    each = torch.vmap(torch.func.grad(lambda x: measured(x).square().sum()))(matrices)
    torch.testing.assert_close(each[0], plain.grad)
    _, along = torch.func.jvp(measured, (matrices[0],), (direction[0],))
    step = 1e-6 * direction[0]
    torch.testing.assert_close(along, (measured(matrices[0] + step) - measured(matrices[0] - step)) / 2e-6)
    assert torch.autograd.gradcheck(measured, matrices.clone().requires_grad_(), check_forward_ad=True)


def test_a_second_derivative_is_an_error_and_not_wrong() -> None:
    matrix = symmetric(4).requires_grad_()
    (first,) = torch.autograd.grad(measured(matrix).square().sum(), matrix, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_a_broken_matrix_is_nan_and_leaves_the_others_alone() -> None:
    matrix = symmetric(4)
    whole = eigenpairs_or_nan(matrix, 2)
    broken = matrix.clone()
    broken[1, 0, 3] = torch.inf
    values, vectors = eigenpairs_or_nan(broken.requires_grad_(), 2)
    for found, one in zip((values, vectors), whole, strict=True):
        assert torch.equal(found[0], one[0])
        assert found[1].isnan().all()
    values[0].sum().backward()
    assert broken.grad is not None
    assert broken.grad[0].isfinite().all()
    with pytest.raises(InputError, match="found 0"):
        eigenpairs_or_nan(matrix, 0)


def test_bad_input() -> None:
    matrix = symmetric(4)
    for bad, count, message in (
        (matrix, 0, "expected count to be a whole number above 0, found 0"),
        (matrix, 5, "count of eigenpairs up to 4, found 5; ask for fewer"),
        (matrix[:, :3], 2, r"square matrices of float32 or float64, found a torch.float64 tensor of shape \(2, 3, 4\)"),
        ([[1.0]], 1, "square matrices of float32 or float64, found list; convert them"),
        (matrix.half(), 2, "found a torch.float16 tensor"),
        (matrix * torch.nan, 2, "expected finite values in matrix, found NaN or infinity"),
    ):
        with pytest.raises(InputError, match=message):
            top_eigenpairs(bad, count)
