"""Experiments on the candidate graph: how many, which, found where."""

from __future__ import annotations

from pyg_gears.experiments.experiment import AS_IS, Experiment, Variant

EXPERIMENTS = (
    Experiment(
        name="candidate-k",
        question="How many candidates should a model be trained with?",
        found="Published: 100; recall of true neighbours 0.91, 0.95, 0.97 at k = 60, 80, 100 on liver. Not yet measured here.",
        variants=tuple(Variant(f"k {k}", {"graph": {"k": k}}) for k in (100, 60, 80, 120)),
        measure=("gap",),
    ),
    Experiment(
        name="candidate-robustness",
        question="How much does a trained model mind another number of candidates?",
        found="Not yet measured here; wanted: 80, 100 and 120 within 0.03.",
        variants=(AS_IS,),
        measure=("candidate-robustness",),
    ),
    Experiment(
        name="mutual-candidates",
        question="Do mutual neighbours, or pairs whose neighbourhoods overlap, make better candidates?",
        found="Not yet measured here.",
        variants=(
            Variant("union", {"graph": {"mutual": False, "jaccard": 0.0}}),
            Variant("mutual", {"graph": {"mutual": True, "jaccard": 0.0}}),
            Variant("jaccard 0.1", {"graph": {"mutual": False, "jaccard": 0.1}}),
            Variant("mutual, jaccard 0.1", {"graph": {"mutual": True, "jaccard": 0.1}}),
            Variant("jaccard 0.3", {"graph": {"mutual": False, "jaccard": 0.3}}),
        ),
        measure=("gap",),
    ),
    Experiment(
        name="learned-projection",
        question="Should candidates be searched in a projection of H that was learned for that purpose?",
        found="Not yet measured here.",
        variants=(
            Variant("none", {"graph": {"projection": 0}}),
            Variant("32 channels", {"graph": {"projection": 32}}),
            Variant("8 channels", {"graph": {"projection": 8}}),
        ),
        measure=("gap",),
    ),
)
