from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.transfer import SpectralCrossAttention


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator).to(dtype)  # noqa: E731
    return draw(7, 4), draw(7, 3), torch.randint(7, (2, 20), generator=generator), draw(9, 4), draw(9, 3)


def test_equals_the_dense_attention() -> None:
    torch.manual_seed(0)
    layer = SpectralCrossAttention(4, 3, 5, hidden_channels=6).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    phi, x, edges, other, y = inputs()
    query = phi @ layer.to_query.weight.T
    own = query @ (phi @ layer.to_key.weight.T).T @ x / 7
    cross = query @ (other @ layer.to_key.weight.T).T @ y / 9
    a = torch.cat([own, cross], dim=1)
    around = torch.stack([a[edges[0, edges[1] == i]].mean(dim=0).nan_to_num() for i in range(7)])
    z = torch.cat([a, around], dim=1)
    expected = torch.sigmoid(layer.open_gate(z)) * layer.read(z)
    assert torch.allclose(layer(phi, x, edges, other, y), expected)


def test_permutations_of_either_graph_and_signs_of_the_bases() -> None:
    layer = SpectralCrossAttention(4, 3, 5).double()
    phi, x, edges, other, y = inputs()
    expected = layer(phi, x, edges, other, y)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    mixed = layer(phi[order], x[order], torch.argsort(order)[edges], other.flip(0), y.flip(0))
    assert torch.allclose(mixed, expected[order])
    flips = torch.tensor([1.0, -1.0, -1.0, 1.0])
    assert torch.allclose(layer(phi * flips, x, edges, other * flips, y), expected)


def test_gradients_reach_every_parameter_and_are_right() -> None:
    layer = SpectralCrossAttention(4, 3, 5).double()
    phi, x, edges, other, y = inputs()
    layer(phi, x, edges, other, y).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in layer.parameters())
    phi.requires_grad_()
    y.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, v: layer(p, x, edges, other, v), (phi, y))


def test_scores_are_largest_at_the_nearest_key_and_a_new_layer_is_the_identity() -> None:
    layer = SpectralCrossAttention(4, 3, 5).double()
    phi, _, _, other, _ = inputs()
    assert torch.equal(layer.scores(phi, other).argmax(dim=1), torch.cdist(phi, other).argmin(dim=1))
    torch.nn.init.normal_(layer.to_query.weight)
    layer.reset_parameters()
    assert torch.equal(layer.to_query.weight, torch.eye(4).double())
    assert repr(layer) == "SpectralCrossAttention(4, 3, 5)"


def test_training_recovers_correspondences_better_than_identity_and_random_maps() -> None:
    """On deformed copies that training has not seen."""
    file = Path(__file__).resolve().parents[2] / "examples" / "train_spectral_matching.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.main(seed=0)
    assert found["trained"] > found["identity"] > 5 * found["chance"]
    assert found["random"] < 0.5 * found["trained"]


def test_shapes_that_do_not_fit_are_refused() -> None:
    layer = SpectralCrossAttention(4, 3, 5).double()
    phi, x, edges, other, y = inputs()
    with pytest.raises(
        InputError, match="expected 4 basis and 3 signal channels for each node of the sample, found shapes"
    ):
        layer(phi, x, edges, other, y[:, :2])
    with pytest.raises(
        InputError, match="expected 4 basis and 3 signal channels for each node of the target, found shapes"
    ):
        layer(phi[:5], x, edges, other, y)
