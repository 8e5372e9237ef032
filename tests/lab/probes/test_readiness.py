from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pyg_gears.lab.probes.attention_probe import attention_probe
from pyg_gears.lab.probes.candidate_robustness import CandidateRobustness
from pyg_gears.lab.probes.collapse_rate import collapse_rate
from pyg_gears.lab.probes.gap_decomposition import gap_decomposition
from pyg_gears.lab.probes.poison_pills import poison_pills
from pyg_gears.lab.probes.readiness import readiness, readiness_table


def by_name(checks) -> dict[str, object]:
    return {check.name: check for check in checks}


def test_nothing_measured() -> None:
    checks = readiness()
    assert len(checks) == 12
    assert {(check.value, check.passed) for check in checks} == {(None, None)}
    assert readiness_table(checks).count("not measured") == 12
    assert readiness_table(checks).count("--") == 12


def test_probes_of_a_model(minisets, reading_model) -> None:
    model = reading_model()
    gap, attention = gap_decomposition(model, minisets), attention_probe(model, minisets)
    collapse, pills = collapse_rate(model, minisets), poison_pills(model, minisets, 14, "euclidean")
    checks = by_name(readiness(gap=gap, attention=attention, collapse=collapse, pills=pills))
    energy = checks["E_geo on gated candidates"]
    assert energy.value == gap.energy["learned_gate"] < 0.35
    assert energy.passed is True
    assert checks["gap to the true graph"].value == gap.cost["gap"]
    assert checks["share without collapse"].value == collapse.rate
    assert checks["share without collapse"].passed is (collapse.rate >= 0.99)
    assert checks["lowest Recall@30 of a recycle"].value == attention.recall.mean(axis=1).min()
    assert checks["embedding shuffled: times worse"].passed is True
    assert checks["std over seeds"].passed is None
    table = readiness_table(list(checks.values()))
    assert "pass  E_geo on gated candidates" in table


def test_limits_at_their_edges(minisets, reading_model) -> None:
    def energies(learned: float, oracle: float):
        gap = gap_decomposition(reading_model(), [minisets[0]])
        return gap._replace(energy=gap.energy | {"learned_gate": learned}, cost=gap.cost | {"gap": learned - oracle})

    for learned, oracle, expected in (
        (0.35, 0.17, (True, True)),
        (0.36, 0.16, (False, False)),
        (np.nan, 0.1, (False, False)),
    ):
        assert tuple(check.passed for check in readiness(gap=energies(learned, oracle))[:2]) == expected


@pytest.mark.parametrize(
    ("seeds", "passed", "note"),
    [
        (None, None, "0 of 5 seeds"),
        ([0.3], None, "1 of 5 seeds"),
        ([0.30, 0.32], True, "2 of 5 seeds"),
        ([0.30, 0.33], False, "2 of 5 seeds"),
        ([0.30, 0.31, 0.30, 0.31, 0.32], True, ""),
        ([0.30, np.nan, 0.30, 0.31, 0.32], False, "not all finite"),
    ],
)
def test_seeds(seeds, passed, note: str) -> None:
    check = by_name(readiness(seeds=seeds))["std over seeds"]
    assert check.passed is passed
    assert check.note == note
    if passed is not None and note != "not all finite":
        assert check.value == pytest.approx(np.std(seeds, ddof=1))


def test_folds_and_candidates() -> None:
    checks = by_name(
        readiness(
            folds=[0.3, 0.36, 0.33],
            robustness=CandidateRobustness(5, {80: 0.4, 100: 0.41, 120: 0.42}, {80: 0.9, 100: 0.95, 120: 0.97}, 0.02),
        )
    )
    assert (checks["range over folds"].value, checks["range over folds"].passed) == (pytest.approx(0.06), False)
    assert checks["range over k of 80, 100, 120"].passed is True
    short = readiness(robustness=CandidateRobustness(5, {80: 0.4}, {80: 0.9}, 0.0))
    assert by_name(short)["range over k of 80, 100, 120"].passed is None


def test_pills_must_fail_in_the_right_direction(minisets, reading_model) -> None:
    def constant(batch, **kwargs):
        output = reading_model()(batch, **kwargs)
        return dataclasses.replace(output, coordinates=(output.pos.new_ones(output.pos.shape).cumsum(dim=0).sin(),))

    checks = readiness(pills=poison_pills(constant, minisets, 14, "euclidean"))
    assert [check.passed for check in checks[-5:]] == [False] * 5
    alone = readiness(pills=poison_pills(reading_model(), [minisets[0]], 14, "euclidean"))
    assert by_name(alone)["embedding of another miniset: times worse"].passed is None


def test_recall_of_other_neighbourhoods_is_no_answer(minisets, reading_model) -> None:
    checks = by_name(readiness(attention=attention_probe(reading_model(), minisets, k=5)))
    assert checks["lowest Recall@30 of a recycle"].passed is None
