from __future__ import annotations

import torch
from torch import Tensor

from pyg_gears.nn import top_eigenpairs


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
    matrix = symmetric(5).requires_grad_()

    def measured(x: Tensor) -> Tensor:
        values, vectors = top_eigenpairs(x + x.mT, 2)
        return torch.cat([values, (vectors * vectors.new_tensor([1.0, 2.0]) @ vectors.mT).flatten(1)], dim=1)

    assert torch.autograd.gradcheck(measured, matrix)


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
