"""CORAL and MMD between slides in the training of the networks, against their formulas written out slowly in float64."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_gears.encoders import ExpressionNetwork, moment_distance
from pyg_gears.errors import InputError
from pyg_gears.seeds import torch_stream
from pyg_gears.training import encoder_module
from pyg_gears.training.embedding_recipe import D7Embedding, LearnedEmbedding
from pyg_gears.training.encoder_module import EncoderModule, EncoderSlide
from pyg_gears.training.encoder_networks import divide, train_networks
from pyg_gears.training.encoder_training import check_embedding
from tests.slow_moments import slow_moments

SMALL = LearnedEmbedding.read(
    {
        "front": {"components": 6},
        "out_channels": 4,
        "hidden": [8],
        "folds": 2,
        "repeats": 1,
        "steps": 60,
        "evaluate_every": 60,
        "keep": "last",
        "infonce": {"neighbors": 5},
        "lr": 1e-2,
    }
)


def slides(sizes: tuple[int, ...] = (50, 40, 30)) -> list[EncoderSlide]:
    """Slides whose features have means and spreads of their own."""
    generator = torch.Generator().manual_seed(0)
    return [
        EncoderSlide(
            torch.randn(n, 6, generator=generator) * (1 + 0.5 * i) + 0.4 * i,
            torch.rand(n, 2, generator=generator, dtype=torch.float64),
        )
        for i, n in enumerate(sizes)
    ]


def build(recipe: LearnedEmbedding, tissue: list[EncoderSlide]) -> EncoderModule:
    generator = torch.Generator().manual_seed(1)
    unseen = divide(tissue, recipe, 0)
    members = [ExpressionNetwork(6, recipe.out_channels, (8,), residual=False, generator=generator) for _ in unseen]
    return EncoderModule(members, recipe, tissue, unseen, tissue[-1:], seed=3)


@pytest.fixture
def logged(monkeypatch) -> dict[str, Tensor]:
    values: dict[str, Tensor] = {}
    monkeypatch.setattr(EncoderModule, "_note", lambda self, name, value: values.update({name: value}))
    monkeypatch.setattr(EncoderModule, "global_step", property(lambda self: 7))
    return values


def directions(module: EncoderModule, number: int, tissue: list[EncoderSlide]) -> list[np.ndarray]:
    """H of the spots that a network is trained on, every row of length sqrt(c)."""
    found = []
    for slide, part in zip(tissue, divide(tissue, module.recipe, 0)[number], strict=True):
        h = module.members[number](slide.features[~part]).detach().double().numpy()
        found.append(np.array([row / np.sqrt(sum(row**2)) * np.sqrt(len(row)) for row in h]))
    return found


def slow_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Widths from the median distance of two points of both sets together: of an even number of pairs the lower middle."""
    pooled = [*x, *y]
    distances = sorted(np.sqrt(sum((a - b) ** 2)) for a, b in combinations(pooled, 2))
    middle = distances[(len(distances) - 1) // 2]

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        widths = [middle * factor for factor in (0.25, 0.5, 1, 2, 4)]
        return sum(np.exp(-sum((a - b) ** 2) / (2 * width**2)) for width in widths) / len(widths)

    def mean(first: np.ndarray, second: np.ndarray) -> float:
        return sum(kernel(a, b) for a in first for b in second) / (len(first) * len(second))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def test_coral_is_the_mean_over_networks_and_pairs_of_slides(logged) -> None:
    recipe, tissue = SMALL.change({"noise": 0.0, "coral": 3.0}), slides()
    module = build(recipe, tissue)
    loss = module.training_step(0, 0)
    parts = [directions(module, number, tissue) for number in range(2)]
    expected = 3.0 * np.mean([slow_moments(a, b) for part in parts for a, b in combinations(part, 2)])
    assert expected > 0.01
    assert float(logged["coral"]) == pytest.approx(expected, rel=1e-5)
    assert set(logged) == {"infonce", "coral", "loss"}
    torch.testing.assert_close(loss.detach(), logged["infonce"] + logged["coral"])


def test_mmd_is_the_mean_over_networks_and_pairs_of_slides(logged, monkeypatch) -> None:
    recipe, tissue = SMALL.change({"noise": 0.0, "mmd": 5.0}), slides((24, 18, 16))
    module = build(recipe, tissue)
    module.training_step(0, 0)
    parts = [directions(module, number, tissue) for number in range(2)]
    expected = 5.0 * np.mean([slow_mmd(a, b) for part in parts for a, b in combinations(part, 2)])
    assert expected > 0.01
    assert float(logged["mmd"]) == pytest.approx(expected, rel=1e-4)

    monkeypatch.setattr(encoder_module, "MMD_SPOTS", 6)
    module.training_step(0, 0)
    values = []
    for number, part in enumerate(parts):
        generator = torch_stream(3, "encoder mmd", 7, number)
        few = [x[torch.randperm(len(x), generator=generator)[:6].numpy()] for x in part]
        values += [slow_mmd(a, b) for a, b in combinations(few, 2)]
    assert float(logged["mmd"]) == pytest.approx(5.0 * np.mean(values), rel=1e-4)
    assert float(logged["mmd"]) != pytest.approx(expected, rel=1e-2)


def test_batches_and_views_are_the_same_with_and_without_the_terms(logged) -> None:
    found = []
    for weight in (0.0, 2.0):
        build(SMALL.change({"coral": weight, "mmd": weight}), slides()).training_step(0, 0)
        found.append(logged.pop("infonce"))
    assert torch.equal(*found)
    assert set(logged) == {"coral", "mmd", "loss"}


def test_the_length_of_the_embedding_does_not_count(logged) -> None:
    recipe, found = SMALL.change({"coral": 1.0, "mmd": 1.0}), []
    for factor in (1.0, 1e-3):
        module = build(recipe, slides())
        for member in module.members:
            last = [part for part in member.modules() if isinstance(part, torch.nn.Linear)][-1]
            last.weight.data *= factor
            last.bias.data *= factor
        module.training_step(0, 0)
        found.append((float(logged["coral"]), float(logged["mmd"])))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_trained_slides_lie_nearer_to_each_other(name: str) -> None:
    tissue = slides((60, 60))

    def apart(weight: float) -> float:
        recipe = SMALL.change({name: weight})
        unseen = divide(tissue, recipe, 0)
        members = train_networks(recipe, tissue, unseen, tissue[-1:], steps=recipe.steps, seed=0).members
        embedded = [[torch.nn.functional.normalize(one(s.features), dim=1) for s in tissue] for one in members]
        return torch.stack([moment_distance(a, b) for a, b in embedded]).mean().item()

    assert apart(30.0) < 0.5 * apart(0.0)


@pytest.mark.parametrize("recipe", [SMALL, D7Embedding()])
@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_two_slides_are_needed(recipe: LearnedEmbedding | D7Embedding, name: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^expected two or more training slides for embedding.{name}, found 1; add slides, or leave it",
    ):
        check_embedding(recipe.change({name: 1.0}), ["a"], cells=True)
    check_embedding(recipe.change({name: 1.0}), ["a", "b"], cells=False)
