"""Three hundred random calls of layers, models, losses and transforms; ``python -m tests.campaign`` makes more."""

from __future__ import annotations

from collections import Counter

from tests.campaign import layers


def test_random_calls_give_the_right_result_or_a_sentence() -> None:
    assert [found for seed in range(300) if (found := layers.attempt(seed)) is not None] == []


def test_a_seed_is_one_call_and_the_calls_differ() -> None:
    names = [layers.describe(seed) for seed in range(60)]
    assert names == [layers.describe(seed) for seed in range(60)]
    assert len(set(names)) > 50
    kinds = Counter(name.split("(")[0].split()[0] for name in (layers.describe(seed) for seed in range(300)))
    assert {"EdgeGate", "PairBias", "GateFormer", "IPAConv", "EGNNConv", "GeometryBias", "ipar", "topo"} <= set(kinds)


def test_a_fault_is_found_and_described(monkeypatch) -> None:
    case = layers.Case("a call", lambda: (layers.torch.tensor([float("nan")]),), [(1,)], True, [])
    monkeypatch.setattr(layers, "_case", lambda seed: case)
    assert layers.attempt(0) == "a call: results that are not finite"
    case.call = lambda: (layers.torch.zeros(2),)
    assert layers.attempt(0) == "a call: results of shape [(2,)], expected [(1,)]"
    case.call = lambda: 1 / 0
    assert layers.attempt(0) == "a call: ZeroDivisionError: division by zero"
    case.call = lambda: layers.EdgeGate(0, heads=0)
    assert "a call: sound input was refused" in layers.attempt(0)
    case.sound = False
    assert layers.attempt(0) is None
