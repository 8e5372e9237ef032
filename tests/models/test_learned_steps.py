from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.models.learned_steps import LearnedSteps


def test_all_start_from_one_value_and_stay_between_0_and_1() -> None:
    steps = LearnedSteps(3, 0.2)
    assert steps().tolist() == pytest.approx([0.2] * 3)
    with torch.no_grad():
        steps.theta.copy_(torch.tensor([-90.0, 0.0, 90.0]))
    assert steps().tolist() == pytest.approx([0.0, 0.5, 1.0])
    steps.reset_parameters()
    assert steps().tolist() == pytest.approx([0.2] * 3)


def test_a_first_value_outside_is_refused() -> None:
    for start in (0.0, 1.0, 5.0):
        with pytest.raises(InputError, match=rf"expected a first step size in \(0, 1\), found {start}"):
            LearnedSteps(3, start)
