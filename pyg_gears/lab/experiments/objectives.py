"""Experiments on what training optimises: augmentation, weights of the loss terms, teachers."""

from __future__ import annotations

from pyg_gears.lab.experiments.experiment import AS_IS, Experiment, Variant

PLAIN = {"h_noise": 0.0, "slide_noise": 0.0, "h_dropout": 0.0, "edge_drop": 0.0}

EXPERIMENTS = (
    Experiment(
        name="augmentation",
        question="How much noise on H, dropout of H and dropout of edges does generalisation want?",
        found="Published: noise 0.3, dropout 0.1, edge dropout 0.2. Here (mouse hippocampus, section 3 unseen, 400 "
        "minisets): slide noise "
        "0.15, 0.3, 0.5, 0.8 gives H-gate 1.18, 1.13 (3 seeds), 1.12 (2), 1.25 (1); noise 0.7 on H is worse than 0.4 "
        "(1.28, 1.23).",
        variants=(
            AS_IS,
            Variant("none", {"training": PLAIN}),
            *(Variant(f"noise {noise:g}", {"training": {"h_noise": noise}}) for noise in (0.0, 0.2, 0.8)),
            *(Variant(f"slide noise {noise:g}", {"training": {"slide_noise": noise}}) for noise in (0.0, 0.3)),
            *(Variant(f"dropout {share:g}", {"training": {"h_dropout": share}}) for share in (0.0, 0.3)),
            *(Variant(f"edge drop {share:g}", {"training": {"edge_drop": share}}) for share in (0.0, 0.3)),
        ),
    ),
    Experiment(
        name="walk-stress",
        question="How do cap and ramp of the random-walk weight and the weight of the stress work together?",
        found="Published: a cap of 1 overfits slides, 0.3 is best. Here (mouse hippocampus, section 3, one seed): "
        "walk 1 with stress 0.3 "
        "gives 1.24, the recipe 1.23.",
        variants=tuple(
            Variant(
                f"walk {cap:g}, ramp {ramp:g}, stress {stress:g}",
                {"loss": {"random_walk": cap, "stress": stress}, "training": {"ramp_epochs": ramp}},
            )
            for cap in (0.3, 0.1, 1.0)
            for ramp in (2.0, 6.0)
            for stress in (4.0, 1.0)
        ),
    ),
    Experiment(
        name="fewer-terms",
        question="Do the small terms that pull against the energy (repulsion, entropy, the gate's through the layout) pay?",
        found="Not yet measured here.",
        variants=(
            AS_IS,
            Variant("no repulsion", {"loss": {"repulsion": 0.0}}),
            Variant("no entropy", {"loss": {"entropy": 0.0}}),
            Variant("neither", {"loss": {"repulsion": 0.0, "entropy": 0.0}}),
            Variant("neither, gate apart", {"loss": {"repulsion": 0.0, "entropy": 0.0}, "gate": {"detached": True}}),
        ),
    ),
    Experiment(
        name="oracle-distillation",
        question="Does the layout on the true graph, as a teacher, make the layout on the candidates better?",
        found="Not yet measured here.",
        variants=(
            Variant("none", {"loss": {"distill": 0.0}}),
            Variant("walk", {"loss": {"distill": 0.3, "distill_kind": "walk"}}),
            Variant("distances", {"loss": {"distill": 0.3, "distill_kind": "distances"}}),
            Variant("distances, strong", {"loss": {"distill": 2.0, "distill_kind": "distances"}}),
        ),
        measure=("gap",),
    ),
)
