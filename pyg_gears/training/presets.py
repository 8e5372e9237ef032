"""Named recipes: what differs from the defaults, which are "standard"."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "minisets": {"count": 200},
        "embedding": {"repeats": 1},
        "training": {
            "members": 1,
            "epochs": 6,
            "ramp_epochs": 4.0,
            "pretraining": {"steps": 200},
            "validation": 40,
        },
    },
    "standard": {},
    "thorough": {"minisets": {"count": 2000}, "training": {"members": 5}},
    "published_small": {
        "embedding": {"repeats": 1},
        "regressions": None,
        "minisets": {"count": 500},
        "model": {"kind": "generator_diffusion"},
        "loss": {"random_walk": 0.0, "stress": 0.0, "repulsion": 0.0, "entropy": 0.0, "deep": 0.0, "distill": None},
        "training": {
            "members": 1,
            "epochs": 12,
            "final_epochs": 0,
            "lr": 5e-4,
            "weight_decay": 1e-4,
            "h_noise": 0.0,
            "slide_noise": 0.0,
            "h_dropout": 0.0,
            "edge_drop": 0.0,
            "pretraining": None,
            "warmup_epochs": 0.0,
            "ramp_epochs": 0.0,
            "patience": 12,
            "validation": 24,
        },
    },
    "d7": {
        "embedding": {"kind": "d7"},
        "regressions": None,
        "minisets": {"count": 1000, "min_size": 96, "max_size": 384, "max_share": 1.0},
        "graph": {"k": 100, "metric": "cosine", "mutual": False, "jaccard": 0.0, "projection": 0},
        "model": {
            "kind": "ipa_lite",
            "hidden_channels": 96,
            "heads": 4,
            "head_channels": 32,
            "recycles": 5,
            "shared": True,
            "qk": "published",
            "geo": {"kind": "monotone", "start": 0},
            "frame": "free",
            "pair": False,
            "step": 1.0,
            "noise": 0.05,
            "dropout": 0.0,
            "detach": False,
            "gate": {"kind": "edge", "channels": 64, "beta": 2.0, "kl": 0.05, "detached": False},
        },
        "loss": {
            "random_walk": 0.3,
            "stress": 0.1,
            "stress_kind": "log",
            "repulsion": 0.01,
            "entropy": 0.01,
            "deep": 0.0,
            "distill": None,
        },
        "training": {
            "epochs": 12,
            "final_epochs": 0,
            "members": 1,
            "lr": 5e-4,
            "min_lr": 1e-5,
            "weight_decay": 5e-4,
            "clip": 1.0,
            "h_noise": 0.3,
            "slide_noise": 0.0,
            "h_dropout": 0.1,
            "edge_drop": 0.2,
            "pretraining": {"steps": 500, "lr": 5e-4, "coordinates": False, "evaluate_every": None},
            "warmup_epochs": 1.0,
            "ramp_epochs": 6.0,
            "patience": 4,
            "checkpoint": "after_cap",
            "validation": 150,
            "node_budget": 3072,
        },
    },
}
"""``d7``: the successor of the published method, D7, the validated baseline of its sources, with its encoder and schedule. The
sources do not give the learning rate of the pretraining (we take that of the training) nor how minisets were drawn (we keep our
mixture). ``published_small``: the published model in a size for two cores, with our encoder."""
