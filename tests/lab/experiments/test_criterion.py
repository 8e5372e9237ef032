from __future__ import annotations

import math

import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import Condition, Criterion
from pyg_gears.lab.experiments.run_record import run_table


def measured(records, **condition: object):
    return Condition(metric=condition.pop("metric", "h_gate"), **condition).measure(run_table(records))


def test_every_statistic_by_hand(records) -> None:
    expected = {
        "value": (1.65, math.sqrt(0.05)),
        "seed_std": (math.sqrt(0.05), math.nan),  # variances 0.02 in fold a and 0.08 in fold b
        "seed_range": (0.4, math.nan),
        "fold_range": (1.1, math.nan),
    }
    for name, (value, std) in expected.items():
        found = measured(records, variant="as is", **{name: "<= 1"})
        assert found.value == pytest.approx(value), name
        assert found.seed_std == pytest.approx(std, nan_ok=True), name
    # -0.1, +0.1, -0.3: the run without a partner is left out.
    found = measured(records, variant="k 10", against="as is", difference="<= 0")
    assert (found.value, found.seed_std) == (pytest.approx(-0.1), pytest.approx(math.sqrt(0.02)))
    found = measured(records, variant="k 10", against="as is", ratio="<= 1")
    assert found.value == pytest.approx(3.9 / 4.2)
    found = measured(records, variants=["k 10", "as is"], variant_range="<= 1")
    assert found.value == pytest.approx((4.2 - 3.9) / 3)
    assert measured(records, metric="diverged", variant="noise", value="== 0").value == 0.5


def test_limits_decide(records) -> None:
    for limit, outcome in (("<= 1.66", "passed"), ("< 1.6", "failed"), (">= 1.66", "failed"), ("> 1.6", "passed")):
        assert measured(records, variant="as is", value=limit).outcome == outcome
    assert measured(records, metric="t_edge", variant="as is", value="== 0.5").outcome == "passed"
    assert (
        measured(records, metric="precision", variant="k 10", against="as is", difference=">= -1").outcome == "passed"
    )


def test_what_the_runs_do_not_tell_is_not_measured(records) -> None:
    for condition in (
        {"metric": "nothing", "variant": "as is", "value": "<= 1"},
        {"variant": "absent", "value": "<= 1"},
        {"metric": "precision", "variant": "noise", "value": "<= 1"},
        {"variant": "noise", "seed_std": "<= 1"},
        {"variant": "noise", "seed_range": "<= 1"},
        {"variant": "noise", "fold_range": "<= 1"},
        {"variant": "noise", "against": "absent", "difference": "<= 1"},
    ):
        found = measured(records, **condition)
        assert math.isnan(found.value), condition
        assert found.outcome == "not measured"


PASS = {"metric": "h_gate", "variant": "as is", "value": "> 0"}
FAIL = {"metric": "h_gate", "variant": "as is", "value": "< 0"}
NONE = {"metric": "nothing", "variant": "as is", "value": "< 0"}


@pytest.mark.parametrize(
    ("how", "conditions", "outcome"),
    [
        ("all", [PASS, PASS], "passed"),
        ("all", [PASS, FAIL], "failed"),
        ("all", [PASS, NONE], "not measured"),
        ("all", [FAIL, NONE], "failed"),
        ("any", [FAIL, PASS], "passed"),
        ("any", [FAIL, FAIL], "failed"),
        ("any", [FAIL, NONE], "not measured"),
        ("any", [PASS, NONE], "passed"),
    ],
)
def test_conditions_are_combined(how, conditions, outcome, records) -> None:
    verdict = Criterion(claim="it works", source="plan", **{how: conditions}).judge(run_table(records), "inductive")
    assert verdict.outcome == outcome
    assert len(verdict.measured) == 2


def test_a_limit_of_one_protocol_is_not_applied_to_the_other(records) -> None:
    criterion = Criterion(claim="it works", source="plan", protocol="transductive", all=[PASS])
    verdict = criterion.judge(run_table(records), "inductive")
    assert verdict.outcome == "not measured"
    assert verdict.lines()[0] == "not measured: it works (needs transductive runs; plan)"
    both = [*records, records[0].change({"protocol": "transductive"})]
    table = run_table(both)
    assert criterion.judge(table[table["protocol"] == "transductive"], "transductive").outcome == "passed"


def test_a_verdict_shows_figure_deviation_and_limit(records) -> None:
    criterion = Criterion(claim="the energy is low", source="plan, E4", all=[{**PASS, "value": "<= 0.38"}, NONE])
    verdict = criterion.judge(run_table(records), "inductive")
    assert verdict.lines() == [
        "failed: the energy is low (inductive; plan, E4)",
        "  h_gate, as is, <= 0.38: 1.650 (seeds 0.224), failed",
        "  nothing, as is, < 0: not measured",
    ]
    assert verdict.as_dict()["measured"][0]["value"] == pytest.approx(1.65)
    assert verdict.as_dict()["outcome"] == "failed"


def test_conditions_in_words() -> None:
    def text(**values: object) -> str:
        return Condition(metric="h_gate", **values).text

    assert text(variant="b", against="a", difference="<= -0.03") == "h_gate, b minus a, <= -0.03"
    assert text(variant="b", against="a", ratio=">= 6") == "h_gate, b over a, >= 6"
    assert text(variant="b", seed_std="<= 0.02") == "seed std of h_gate, b, <= 0.02"
    assert text(variants=["a", "b"], variant_range="<= 0.03") == "range of h_gate over a, b <= 0.03"


def test_mistakes_are_told() -> None:
    for message, values in (
        ("expected one of value, .* found none", {"variant": "a"}),
        ("expected one of value, .* found value, seed_std", {"variant": "a", "value": "< 1", "seed_std": "< 1"}),
        ("expected a limit such as '<= 0.38', found '0.38'", {"variant": "a", "value": "0.38"}),
        ("expected 'against' with a difference or ratio", {"variant": "a", "difference": "< 1"}),
        ("expected 'against' with a difference or ratio", {"variant": "a", "against": "b", "value": "< 1"}),
        ("expected 'against' with a difference or ratio", {"variants": ["a"], "variant_range": "< 1"}),
        ("expected a variant for h_gate, found None", {"value": "< 1"}),
        ("expected a variant for h_gate, found a", {"variant": "a", "variants": ["a", "b"], "variant_range": "< 1"}),
    ):
        with pytest.raises(InputError, match=message):
            Condition(metric="h_gate", **values)
    for parts in ({}, {"all": [PASS], "any": [PASS]}):
        with pytest.raises(InputError, match="expected either 'all' or 'any' with conditions for the claim 'it works'"):
            Criterion(claim="it works", source="plan", **parts)
