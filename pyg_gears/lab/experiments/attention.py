"""Experiments on the attention and its recycles: terms, blocks, geometry, steps, gradients."""

from __future__ import annotations

from pyg_gears.lab.experiments.experiment import AS_IS, Experiment, Variant
from pyg_gears.lab.experiments.gates import EDGE, FORMER

EXPERIMENTS = (
    Experiment(
        name="logit-terms",
        question="What does each term of the attention's logits carry: gate, q.k, geometry?",
        found="Published: without gate +0.48, without q.k +0.27, without geometry -0.01. Not yet measured here.",
        variants=(
            AS_IS,
            Variant("trained without gate", {"gate": {"beta": 0.0, "beta_start": 0.0}}),
            Variant("trained with geometry", {"model": {"geo": "monotone", "qk_norm": True}}),
        ),
        measure=("logit-terms",),
    ),
    Experiment(
        name="shared-blocks",
        question="One block for all recycles, or one each?",
        found="Published: own blocks lose at two training slides. Not yet measured here.",
        variants=(Variant("shared", {"model": {"shared": True}}), Variant("own", {"model": {"shared": False}})),
        measure=("recycle-energies",),
    ),
    Experiment(
        name="geometry-bias",
        question="Should the attention see the distances of the layout so far, and how?",
        found="Published: no gain (without it -0.01); a monotone bias without a clamp from the first recycle loses. "
        "Not yet measured here.",
        variants=(
            Variant("none", {"model": {"geo": "none", "geo_from": 0}}),
            Variant("monotone", {"model": {"geo": "monotone", "geo_from": 0}}),
            Variant("monotone, late", {"model": {"geo": "monotone", "geo_from": 2}}),
            Variant("rbf", {"model": {"geo": "rbf", "geo_from": 0}}),
            Variant("rbf, late", {"model": {"geo": "rbf", "geo_from": 2}}),
        ),
    ),
    Experiment(
        name="point-geometry",
        question="Do learned points around each node serve better than its place alone?",
        found="Published: lost at two training slides. Not yet measured here.",
        variants=(
            Variant("none", {"model": {"geo": "none", "geo_from": 0}}),
            Variant("point", {"model": {"geo": "point", "geo_from": 0}}),
            Variant("point, late", {"model": {"geo": "point", "geo_from": 2}}),
        ),
    ),
    Experiment(
        name="pair-bias",
        question="Does an embedding of each pair of nodes help the attention?",
        found="Published: lost at two training slides. Not yet measured here.",
        variants=(Variant("without", {"model": {"pair": False}}), Variant("with", {"model": {"pair": True}})),
    ),
    Experiment(
        name="full-integration",
        question="Do all refinements together, as whole models, beat the light one?",
        found="Published: at two training slides the refinements lost to the light model. Not yet measured here.",
        variants=(
            Variant("ipa lite", {"model": {"kind": "ipa_lite"}, "gate": EDGE}),
            Variant("ipa r", {"model": {"kind": "ipa_r", "recycles": 3}, "gate": EDGE}),
            Variant("topo ipa r", {"model": {"kind": "topo_ipa_r"}, "gate": FORMER}),
        ),
        measure=("gap",),
    ),
    Experiment(
        name="recycles",
        question="How many recycles does a model need?",
        found="Published: five. Not yet measured here.",
        variants=tuple(
            Variant(f"{count} recycle{'s' if count > 1 else ''}", {"model": {"recycles": count}})
            for count in (5, 1, 2, 3)
        ),
        measure=("recycle-energies",),
    ),
    Experiment(
        name="uniform-attention",
        question="What does a trained model lose when it attends to all candidates alike after the first recycle?",
        found="Not yet measured here.",
        variants=(AS_IS,),
        measure=("uniform-attention",),
    ),
    Experiment(
        name="smoothing-recycles",
        question="Are late recycles more than smoothing along the gate, and do further smoothing recycles help?",
        found="Not yet measured here.",
        variants=(AS_IS,),
        measure=("smoothing-recycles",),
    ),
    Experiment(
        name="step-size",
        question="How large should the steps of the coordinates be, in training and afterwards?",
        found="Not yet measured here.",
        variants=tuple(Variant(f"step {step:g}", {"model": {"step": step}}) for step in (5.0, 1.0, 2.5, 10.0)),
        measure=("step-scale",),
    ),
    Experiment(
        name="recycle-distillation",
        question="Can two recycles do the work of three when they learn from them?",
        found="Not yet measured here.",
        variants=(
            Variant("3 recycles", {"model": {"recycles": 3, "shared": True}, "loss": {"deep": 0.0}}),
            Variant("3 recycles, deep", {"model": {"recycles": 3, "shared": True}, "loss": {"deep": 0.5}}),
            Variant("2 recycles", {"model": {"recycles": 2, "shared": True}, "loss": {"deep": 0.0}}),
        ),
        measure=("recycle-energies", "recycle-distillation"),
    ),
    Experiment(
        name="stop-gradient",
        question="Should gradients flow through the recycles?",
        found="Not yet measured here.",
        variants=(
            Variant("through", {"model": {"detach": False}, "loss": {"deep": 0.0}}),
            Variant("stopped", {"model": {"detach": True}, "loss": {"deep": 0.0}}),
            Variant("stopped, deep", {"model": {"detach": True}, "loss": {"deep": 0.5}}),
        ),
        measure=("recycle-energies",),
    ),
    Experiment(
        name="deep-supervision",
        question="Should the layouts of earlier recycles be supervised too?",
        found="Not yet measured here.",
        variants=tuple(Variant(f"deep {weight:g}", {"loss": {"deep": weight}}) for weight in (0.0, 0.2, 1.0)),
        measure=("recycle-energies",),
    ),
)
