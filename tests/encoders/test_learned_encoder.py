from __future__ import annotations

import dataclasses
import io

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import (
    CenteredGenes,
    ComponentEncoder,
    Encoder,
    ExpressionNetwork,
    LearnedEncoder,
    Normalization,
    component_encoder,
    encoder_from_state,
)
from pyg_gears.encoders.components import neighbor_graph
from pyg_gears.errors import InputError

CHANNELS = 6


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("gradient", slides=3, cells=40, seed=0, spots=60, genes=40).slides


@pytest.fixture(scope="module")
def front(slides) -> ComponentEncoder:
    return ComponentEncoder.fit(slides[:2], n_components=8, kind="pca", normalization=Normalization())


@pytest.fixture(scope="module")
def features(slides, front) -> list[Tensor]:
    return [front.encode(slide) for slide in slides[:2]]


@pytest.fixture(scope="module")
def graphs(slides) -> list:
    return [neighbor_graph(slide.pos) for slide in slides[:2]]


def networks(count: int, *, in_channels: int = 8, hidden=(5,), residual: bool = True) -> list[ExpressionNetwork]:
    """Networks with random weights everywhere."""
    members = [ExpressionNetwork(in_channels, CHANNELS, hidden, residual=residual) for _ in range(count)]
    with torch.no_grad():
        for number, member in enumerate(members):
            for parameter in member.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)) / 2)
    return members


def unseen_parts(features: list[Tensor], count: int) -> list[list[Tensor]]:
    """Every spot unseen by one member at least, many by more."""
    generator = torch.Generator().manual_seed(5)
    parts = []
    for x in features:
        part = torch.rand(count, len(x), generator=generator) < 0.4
        part[torch.arange(len(x)) % count, torch.arange(len(x))] = True
        parts.append(part)
    return [[part[m] for part in parts] for m in range(count)]


def test_members_that_differ_by_a_rotation_are_brought_together(front, features, graphs) -> None:
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(CHANNELS, 8, generator=generator)
    members = []
    for number in range(4):
        turn = torch.linalg.qr(torch.randn(CHANNELS, CHANNELS, generator=generator)).Q
        turn[:, 0] *= (-1) ** number  # some of them mirrored
        member = ExpressionNetwork(8, CHANNELS, (), residual=True)
        with torch.no_grad():
            member.linear.weight.copy_(turn @ base)
        members.append(member)
    encoder, out_of_bag = LearnedEncoder.assemble(
        front, members, features, unseen_parts(features, 4), graphs, min_autocorrelation=-1
    )
    pooled = torch.cat(features)
    h = encoder.embed_features(pooled).x
    directions = [F.normalize(member(pooled), dim=1) for member in members]
    for own in directions:
        torch.testing.assert_close(h @ h.T * encoder.scale**2, own @ own.T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat(out_of_bag), h, rtol=1e-4, atol=1e-4)
    plain = sum(directions) / 4
    assert plain.square().sum() < 0.5 * (encoder.scale * h).square().sum()  # what an average without rotating loses


def spatial_form(x: list[Tensor], slides) -> tuple[Tensor, Tensor]:
    """Smooth and plain covariance, spot by spot in float64."""
    c = x[0].size(1)
    smooth, plain = torch.zeros(c, c, dtype=torch.float64), torch.zeros(c, c, dtype=torch.float64)
    for own, slide in zip(x, slides, strict=True):
        graph = torch.tensor(neighbor_graph(slide.pos).toarray())
        values = own.double() - own.double().mean(dim=0)
        for i in range(len(own)):
            plain += torch.outer(values[i], values[i])
            for j in range(len(own)):
                smooth += graph[i, j] * torch.outer(values[i], values[j])
    return smooth, plain


def test_the_embedding_is_the_formula_on_smooth_axes_with_unit_mean_square(slides, front, features, graphs) -> None:
    unseen = unseen_parts(features, 3)
    encoder, crossed = LearnedEncoder.assemble(front, networks(3), features, unseen, graphs, min_autocorrelation=-1)
    x = front.encode(slides[2])
    pairs = list(zip(encoder.members, encoder.rotations, strict=True))
    parts = [F.normalize(member(x), dim=1) @ rotation for member, rotation in pairs]
    found = encoder.encode(slides[2])
    torch.testing.assert_close(found, sum(parts) / 3 / encoder.scale)
    assert found.dtype == torch.float32
    assert encoder.out_channels == CHANNELS
    assert encoder.genes == front.genes
    for rotation in encoder.rotations:
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(CHANNELS), atol=1e-5, rtol=0)
    assert float(encoder.embed_features(torch.cat(features)).x.square().mean()) == pytest.approx(1, rel=1e-4)
    smooth, _ = spatial_form(crossed, slides[:2])
    assert (smooth.diagonal().diff() <= 1e-6).all()
    assert (smooth - smooth.diagonal().diag()).abs().max() < 1e-4 * smooth.abs().max()


def test_divisions_stand_side_by_side(slides, front, features, graphs) -> None:
    members, unseen = networks(4), unseen_parts(features, 2) + unseen_parts(features, 2)
    both, crossed = LearnedEncoder.assemble(front, members, features, unseen, graphs, divisions=2)
    x = front.encode(slides[2])
    found, first = both.embed_features(x).x, 0
    for own in (slice(0, 2), slice(2, 4)):
        one, left_out = LearnedEncoder.assemble(front, members[own], features, unseen[own], graphs)
        columns = slice(first, first := first + one.out_channels)
        ratio = one.scale / (2 * both.scale)  # all columns share one scale
        torch.testing.assert_close(found[:, columns], ratio * one.embed_features(x).x)
        for whole, part in zip(crossed, left_out, strict=True):
            torch.testing.assert_close(whole[:, columns], ratio * part)
    assert both.out_channels == first
    assert float(both.embed_features(torch.cat(features)).x.square().mean()) == pytest.approx(1, rel=1e-4)
    with pytest.raises(InputError, match="expected as many members in each of 3 divisions, found 4"):
        LearnedEncoder.assemble(front, members, features, unseen, graphs, divisions=3)


def test_axes_without_spatial_structure_are_dropped(slides, front, features, graphs) -> None:
    unseen = unseen_parts(features, 3)
    whole, crossed = LearnedEncoder.assemble(front, networks(3), features, unseen, graphs, min_autocorrelation=-1)
    smooth, plain = spatial_form(crossed, slides[:2])
    moran = smooth.diagonal() / plain.diagonal()
    least = float(moran[2:].sort().values[1:3].mean())  # between two of them
    part, short = LearnedEncoder.assemble(front, networks(3), features, unseen, graphs, min_autocorrelation=least)
    kept = moran > least
    kept[:2] = True
    assert 2 < part.out_channels == int(kept.sum()) < CHANNELS
    x = front.encode(slides[2])
    torch.testing.assert_close(
        part.embed_features(x).x * part.scale, whole.embed_features(x).x[:, kept] * whole.scale, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(short[0] * part.scale, crossed[0][:, kept] * whole.scale, rtol=1e-4, atol=1e-5)
    two, _ = LearnedEncoder.assemble(front, networks(3), features, unseen, graphs, min_autocorrelation=1)
    assert two.out_channels == 2


def test_out_of_bag_asks_only_members_that_did_not_see_the_spot(front, features, graphs) -> None:
    unseen = unseen_parts(features, 3)
    encoder, out_of_bag = LearnedEncoder.assemble(front, networks(3), features, unseen, graphs)
    pairs = list(zip(encoder.members, encoder.rotations, strict=True))
    for number, x in enumerate(features):
        aligned = [F.normalize(member(x), dim=1) @ rotation for member, rotation in pairs]
        for i in range(len(x)):
            asked = [aligned[m][i] for m in range(3) if unseen[m][number][i]]
            torch.testing.assert_close(out_of_bag[number][i], sum(asked) / len(asked) / encoder.scale)


def test_the_encoder_is_frozen_and_repeats_itself(slides, front, features, graphs) -> None:
    members = [member.train() for member in networks(2)]
    encoder, _ = LearnedEncoder.assemble(front, members, features, unseen_parts(features, 2), graphs)
    assert isinstance(encoder, Encoder)
    assert not any(module.training for module in encoder.members.modules())
    assert not any(parameter.requires_grad for parameter in encoder.members.parameters())
    first = encoder.encode(slides[2])
    assert not first.requires_grad
    assert torch.equal(first, encoder.encode(slides[2]))
    assert torch.equal(first, encoder.encode(dataclasses.replace(slides[2], pos=None)))
    with pytest.raises(ValueError, match=r"[Ee]xpected .*gene"):
        encoder.encode(slides[2].subset_genes(slides[2].genes[1:]))


@pytest.mark.parametrize("kind", ["components", "genes"])
@pytest.mark.parametrize("hidden", [(), (5,), (7, 5)])
def test_a_saved_encoder_is_the_same_bit_by_bit(
    slides, front, features, graphs, kind: str, hidden: tuple[int, ...]
) -> None:
    if kind == "genes":
        front, features = CenteredGenes.fit_transform(slides[:2], normalization=Normalization())
    members = networks(2, in_channels=front.out_channels, hidden=hidden, residual=kind == "components")
    encoder, _ = LearnedEncoder.assemble(front, members, features, unseen_parts(features, 2), graphs)
    file = io.BytesIO()
    torch.save(encoder.state(), file)
    file.seek(0)
    again = encoder_from_state(torch.load(file, weights_only=True))
    assert isinstance(again, LearnedEncoder)
    assert type(again.front) is type(front)
    assert again.genes == encoder.genes
    assert torch.equal(again.encode(slides[2]), encoder.encode(slides[2]))
    assert not any(parameter.requires_grad for parameter in again.members.parameters())
    assert not any(module.training for module in again.members.modules())


def test_embedding_and_features_come_from_one_pass(slides, front, features, graphs, monkeypatch) -> None:
    encoder, _ = LearnedEncoder.assemble(front, networks(2), features, unseen_parts(features, 2), graphs)
    normalised = []
    real = component_encoder.project_expression
    monkeypatch.setattr(component_encoder, "project_expression", lambda *args: (normalised.append(1), real(*args))[1])
    found = encoder.embed(slides[2])
    assert len(normalised) == 1
    assert torch.equal(found.x, encoder.encode(slides[2]))
    assert torch.equal(found.features, front.encode(slides[2]))
    assert torch.equal(encoder.features(slides[2]), found.features)
    assert torch.equal(encoder.embed_features(found.features).x, found.x)
