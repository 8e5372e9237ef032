"""The published model as a whole: properties, sampling, and what it learns from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.models import GeneratorDiffusion
from pyg_gears.models.generator_diffusion import Curriculum, Denoiser, TermWeights, denoiser, edm_preconditioning
from pyg_gears.models.generator_diffusion.conditioning import scaled_context
from pyg_gears.models.generator_diffusion.denoiser import angle_gate
from pyg_gears.nn import angle_histogram, pad_sets
from pyg_gears.targets import gram_factor
from pyg_gears.testing import assert_batched_equals_single, assert_permutation_equivariant, random_graphs

C = 6
SIZES = [20, 1, 33, 17]
SMALL = {
    "channels": 8,
    "dims": 5,
    "heads": 2,
    "points": 3,
    "context_layers": 1,
    "generator_layers": 1,
    "denoiser_layers": 1,
}


def model(dtype: torch.dtype = torch.float64, **options: Any) -> GeneratorDiffusion:
    """A small model away from its start, in evaluation mode."""
    torch.manual_seed(0)
    built = GeneratorDiffusion(C, **{**SMALL, "steps": 2, **options})
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.to(dtype).eval()


def graphs(dtype: torch.dtype = torch.float64) -> list[Data]:
    made = random_graphs(SIZES, C, dtype=dtype)
    for graph in made:
        graph.gram_factor = gram_factor(graph.pos)
        del graph.pos
    return made


@pytest.mark.parametrize("geometry", ["layout", "residual"])
def test_properties_of_the_kit(geometry: str) -> None:
    built = model(geometry=geometry)
    for name in ("pos", "initial", "latent", "state"):

        def part(data: Data, name: str = name) -> Tensor:
            return getattr(built(data), name)

        assert_permutation_equivariant(part, graphs()[2], tol=1e-7)
        assert_batched_equals_single(part, graphs(), tol=1e-7)
    single = model(torch.float32, geometry=geometry)
    assert_batched_equals_single(lambda data: single(data).latent, graphs(torch.float32), tol=1e-5)


def test_an_estimate_that_is_the_same_for_all_nodes_has_no_angles() -> None:
    """Its rounding, after the mean is taken off, is no geometry: without a condition the first estimate is such."""
    estimate = torch.full((2, 7, 3), 0.1, dtype=torch.float64) + torch.tensor([0.0, 1e-3, 7.0], dtype=torch.float64)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 5:] = False
    for given in (mask, None):
        assert not denoiser._differences(estimate, given).any()
    estimate[0, 3, 1] += 1e-9
    found = denoiser._differences(estimate, mask)
    torch.testing.assert_close(found[0, 3, 1].item(), 6e-9 / 7, rtol=1e-5, atol=0)
    assert not found[1].any()


def test_it_reads_no_edges_and_says_so() -> None:
    built, data = model(), graphs()[0]
    other = torch.tensor([[0, 1], [1, 0]])
    assert not built.reads_edges
    found = built(data, edge_index=other)
    assert torch.equal(found.edge_index, other)
    assert torch.equal(found.pos, built(data).pos)
    assert found.latent.shape == (20, 5)
    assert found.state.shape == (20, 8)
    torch.testing.assert_close(gauge_fix(found.pos), found.pos)


def test_without_noise_one_layout_with_noise_samples() -> None:
    built, data = model(), graphs()[0]

    def sample(seed: int, noise: float = 1.0) -> Tensor:
        return built(data, noise=noise, generator=torch.Generator().manual_seed(seed)).pos

    assert built.samples
    assert torch.equal(built(data).pos, built(data).pos)
    assert torch.equal(sample(1), sample(1))
    assert not torch.allclose(sample(1), sample(2))
    assert torch.equal(sample(1, noise=0.0), built(data).pos)
    first = model(steps=0)
    assert torch.equal(first(data, noise=1.0).pos, first(data).initial)
    torch.testing.assert_close(first(data).pos, built(data).initial)


def test_the_sampler_follows_guidance_in_two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every evaluation: an estimate, and one that has read it, with the condition and without."""
    built, data = model(guidance=1.7, low=0.05), graphs()[0]
    built.terms.scale.value.fill_(0.2)
    built.terms.curriculum.stage.fill_(3)
    seen = []
    real = Denoiser.forward

    def spy(
        self: Denoiser, x: Tensor, sigma: Tensor, scale: Tensor, h: Tensor, base: Tensor, estimate: Any, mask: Any
    ) -> Tensor:
        found = real(self, x, sigma, scale, h, base, estimate, mask)
        seen.append((float(sigma[0]), bool(h.any()), estimate, found, x))
        return found

    monkeypatch.setattr(Denoiser, "forward", spy)
    latent = built(data).latent
    # Two levels, Heun: two evaluations of the first step, one of the last.
    assert [s for s, *_ in seen] == pytest.approx([0.6] * 4 + [0.05] * 8)
    assert [c for _, c, *_ in seen] == [True, True, False, False] * 3
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert first[2] is None
        assert second[2] is first[3]
    estimates = [free[3] + 1.7 * (kept[3] - free[3]) for kept, free in zip(seen[1::4], seen[3::4], strict=True)]
    start = seen[0][4]
    assert torch.equal(start, torch.zeros_like(start))
    slope = (start - estimates[0]) / 0.6
    torch.testing.assert_close(seen[4][4], start + (0.05 - 0.6) * slope)
    x = start + (0.05 - 0.6) * 0.5 * (slope + (seen[4][4] - estimates[1]) / 0.05)
    torch.testing.assert_close(seen[8][4], x)
    base = built.generator(built.context(data.x[None], None), None)
    torch.testing.assert_close(latent, (base + x - 0.05 * (x - estimates[2]) / 0.05)[0])
    seen.clear()
    model(guidance=1.0)(data)
    assert all(conditioned for _, conditioned, *_ in seen)


@pytest.mark.parametrize(("stage", "highest", "first"), [(0, None, 0.2), (1, None, 0.4), (3, None, 0.6), (3, 0.3, 0.3)])
def test_the_sampler_starts_no_higher_than_the_training_went(
    stage: int, highest: float | None, first: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, levels = model(highest=highest), []
    built.terms.scale.value.fill_(0.2)
    built.terms.curriculum.stage.fill_(stage)
    real = Denoiser.forward

    def spy(self: Denoiser, x: Tensor, sigma: Tensor, *rest: Any) -> Tensor:
        levels.append(float(sigma[0]))
        return real(self, x, sigma, *rest)

    monkeypatch.setattr(Denoiser, "forward", spy)
    built(graphs()[0])
    assert max(levels) == levels[0] == pytest.approx(first)


@pytest.mark.parametrize("geometry", ["layout", "residual"])
def test_the_denoiser_equals_its_statement(geometry: str) -> None:
    denoiser = model(geometry=geometry).denoiser
    generator = torch.Generator().manual_seed(3)
    x, base, estimate = (0.3 * torch.randn(2, 14, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    h = torch.randn(2, 14, 8, generator=generator, dtype=torch.float64)
    sigma, scale = torch.tensor([0.05, 0.4], dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64)
    for given in (None, estimate):
        found = denoiser(x, sigma, scale, h, base, given, None)
        for b in range(2):
            factor = edm_preconditioning(sigma[b : b + 1], scale)
            centred = x[b] - x[b].mean(dim=0)
            earlier = torch.zeros_like(centred) if given is None else given[b] - given[b].mean(dim=0)
            place = (centred if given is None else earlier) + (base[b] if geometry == "layout" else 0)
            time = denoiser.time(factor.noise).expand(14, -1)
            angles = angle_histogram(place[None])[0] * angle_gate(sigma[b : b + 1])
            inputs = torch.cat([h[b], time, factor.inside * earlier, angles, factor.inside * centred], dim=1)
            if geometry == "layout":
                inputs = torch.cat([inputs, base[b] * 5**0.5], dim=1)
            state = denoiser.first(denoiser.read(inputs), bias=denoiser.bias(place[None]))
            for layer, film in zip(denoiser.layers, denoiser.films, strict=True):
                state = film(layer(state), torch.cat([h[b], time], dim=1))
            expected = factor.skip * centred + factor.out * denoiser.head(state)
            torch.testing.assert_close(found[b], expected, atol=1e-9, rtol=1e-9)


def test_an_untrained_denoiser_leaves_the_layout_nearly_as_it_is() -> None:
    built = GeneratorDiffusion(
        6, channels=32, points=8, context_layers=1, generator_layers=1, denoiser_layers=1, steps=4
    )
    batch = Batch.from_data_list(graphs(torch.float32))
    refined = built.eval()(batch).latent
    built.steps = 0
    base = built(batch).latent
    assert 0 < (refined - base).norm().item() < 0.1 * base.norm().item()


class Knows(torch.nn.Module):
    """A denoiser that gives the residual times a factor; it is told the residual by the truth."""

    def __init__(self, residual: Tensor, factor: float) -> None:
        super().__init__()
        self.residual, self.factor, self.calls = residual, factor, []

    def forward(
        self, x: Tensor, sigma: Tensor, scale: Tensor, h: Tensor, base: Tensor, estimate: Any, mask: Any
    ) -> Tensor:
        self.calls.append((x, sigma, h, estimate))
        return self.factor * self.residual


def test_what_the_denoiser_learns_from() -> None:
    """The residual is that of the truth, turned onto the generator's layout; its right answer costs nothing."""
    built, batch = model(), Batch.from_data_list(graphs())
    built.begin_training(10)
    output = built.train()(batch)
    built.eval()
    sets = pad_sets(batch.batch, len(batch.x))
    base, target = sets.pad(output.latent).detach(), sets.pad(batch.gram_factor)
    residual = torch.zeros_like(base)
    for b, n in enumerate(SIZES):
        y = target[b, :n] - target[b, :n].mean(dim=0)
        u, _, wt = torch.linalg.svd(y.T @ base[b, :n], full_matrices=False)
        residual[b, :n] = y @ u @ wt - base[b, :n]
    names = {"score", "gram", "edge", "local_scale", "size"}
    for factor in (1.0, 0.0):
        knows = Knows(residual, factor)
        built.terms.scale.value.fill_(0.3)
        built.denoiser = knows
        terms = built.loss_terms(output, batch, torch.Generator().manual_seed(0))
        (noisy, sigma, h, first), (again, _, _, estimate) = knows.calls
        assert first is None
        assert torch.equal(noisy, again)
        assert torch.equal(estimate, factor * residual)
        noise = (noisy - residual) / sigma[:, None, None]
        assert float(noise[sets.mask].std()) == pytest.approx(1.0, abs=0.1)
        assert torch.equal(noise[~sets.mask], torch.zeros_like(noise[~sets.mask]))
        torch.testing.assert_close(h, scaled_context(sets.pad(output.state).detach(), sets.mask))
        if factor == 1.0:
            assert all(abs(terms[name][1].item()) < 1e-8 for name in names)
        else:
            total = (sigma**2 + 0.09) / (0.3 * sigma) ** 2
            error = torch.stack([residual[b, :n].square().mean() for b, n in enumerate(SIZES)])
            assert terms["score"][1].item() == pytest.approx(((total * error).sum() / total.sum()).item())
    weights = {name: weight for name, (weight, _) in terms.items()}
    assert weights["score"] == 16.0
    assert weights["base_gram"] == 10.0


def test_terms_have_gates_and_stay_finite_on_odd_sets() -> None:
    for x in (torch.randn(1, C), torch.zeros(18, C)):
        edges = torch.zeros(2, 1, dtype=torch.long)
        batch = Batch.from_data_list(
            [Data(x=x, edge_index=edges, gram_factor=torch.zeros(len(x), 2)), graphs(torch.float32)[3]]
        )
        built = model(torch.float32, curriculum=Curriculum("competence", every=1)).train()
        built.begin_training(4)
        for _ in range(3):
            terms = built.loss_terms(built(batch), batch, torch.Generator().manual_seed(0))
            sum(weight * value for weight, value in terms.values()).backward()
            assert all(torch.isfinite(value) for _, value in terms.values())
        assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)
        assert all(torch.isfinite(buffer).all() for buffer in built.buffers())
        assert int(built.terms.curriculum.step) == 3


def test_the_condition_is_left_out_of_some_sets_later_on() -> None:
    built = model()
    curriculum = built.terms.curriculum
    curriculum.planned.fill_(1000)
    shares = []
    for step in (0, 100, 150, 200, 900):
        curriculum.step.fill_(step)
        shares.append(built.terms.unconditioned)
    assert shares == pytest.approx([0.0, 0.0, 0.05, 0.1, 0.1])


def test_evaluation_measures_nothing() -> None:
    built, batch = model(), Batch.from_data_list(graphs())
    built.begin_training(10)
    before = {name: value.clone() for name, value in built.named_buffers()}
    built.loss_terms(built(batch), batch)
    assert all(torch.equal(value, before[name]) for name, value in built.named_buffers())
    built.train().loss_terms(built(batch), batch)
    changed = {name for name, value in built.named_buffers() if not torch.equal(value, before[name])}
    assert {"terms.scale.value", "terms.curriculum.step", "terms.gate.scores", "denoiser.bias.log_range"} <= changed


def test_under_autocast_layouts_and_losses_are_float32() -> None:
    built, batch = model(torch.float32), Batch.from_data_list(graphs(torch.float32))
    built.begin_training(10)
    expected = built(batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = built(batch)
        terms = built.train().loss_terms(built(batch), batch, torch.Generator().manual_seed(0))
    assert found.pos.dtype == found.latent.dtype == found.state.dtype == torch.float32
    assert torch.isfinite(found.latent).all()
    assert (found.state - expected.state).norm() < 0.1 * expected.state.norm()  # steps of the sampler would add up
    assert all(value.dtype == torch.float32 for _, value in terms.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_a_layout(dtype: torch.dtype) -> None:
    built, graph = model(dtype), graphs(dtype)[0]
    graph.x[3] = graph.x[5]
    pos = built(graph).pos
    assert pos.dtype == dtype
    assert pos.isfinite().all()


def test_no_node_has_no_place_and_an_unknown_state_shows() -> None:
    none = Data(x=torch.zeros(0, C, dtype=torch.float64), edge_index=torch.zeros(2, 0, dtype=torch.long))
    assert model()(none).pos.shape == (0, 2)
    diverged = model()
    next(iter(diverged.parameters())).data.view(-1)[0] = torch.nan
    assert diverged(graphs()[0]).pos.isnan().any()


def test_sizes_are_the_published_ones() -> None:
    full = GeneratorDiffusion(128)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in full.named_children()}
    assert count == {"context": 1_716_480, "generator": 3_440_928, "denoiser": 3_892_033, "terms": 0}
    as_published = GeneratorDiffusion(128, geometry="residual").denoiser
    assert sum(p.numel() for p in as_published.parameters()) == 3_883_841
    assert TermWeights().score == 16.0


def test_bad_input() -> None:
    built, batch = model(), Batch.from_data_list(graphs())
    output = built(batch)
    with pytest.raises(InputError, match=r"number of training steps .* found none; call begin_training"):
        built.loss_terms(output, batch)
    built.begin_training(5)
    half, narrow = model(torch.bfloat16), Batch.from_data_list(graphs(torch.bfloat16))
    half.begin_training(5)
    with pytest.raises(InputError, match=r"float32 or float64 for its losses, found torch\.bfloat16; call \.float\(\)"):
        half.loss_terms(half(narrow), narrow)
    del batch.gram_factor
    with pytest.raises(InputError, match=r"gram_factor in the batch, found none; apply transforms\.GramFactor"):
        built.loss_terms(output, batch)
    with pytest.raises(InputError, match="at least 2 latent dimensions, found 1"):
        model(dims=1)
    with pytest.raises(InputError, match="0 or more steps of the sampler, found -1"):
        model(steps=-1)
    with pytest.raises(InputError, match=r"shape \(n, 6\), found \(3, 5\)"):
        built(Data(x=torch.randn(3, 5), edge_index=torch.zeros(2, 0, dtype=torch.long)))
