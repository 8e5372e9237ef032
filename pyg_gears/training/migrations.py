"""Model folders of earlier versions, brought to the present format step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyg_gears.errors import InputError, expect

FORMAT = 7
SEALED = 5
"""The first format whose files carry a checksum."""
Content = dict[str, Any]


def upgrade(content: Content, file: object) -> Content:
    """Bring the content of a model file to the present format.

    Args:
        content: What the file holds; ``format`` is its number.
        file: The file, for messages.

    Raises:
        InputError: for a format that no step reads; the message names the version that does.
    """
    found = content.get("format")
    while found != FORMAT:
        expect(
            found in STEPS,
            f"expected a model of format {min(STEPS)} to {FORMAT} in {file}, found {found}; "
            + (
                "read it with a newer version of pyg-gears."
                if isinstance(found, int) and found > FORMAT
                else "fit it again with this version."
            ),
        )
        content = STEPS[found](content, file)
        found = content["format"]
    return content


def _from_3(content: Content, file: object) -> Content:
    """pyg-gears 0.1: one flat section per topic, with fields that had no effect for the chosen kind."""
    old = content["recipe"]
    redefined = [
        name
        for name, kept in (
            (old["model"]["kind"], "ipa_lite"),
            (f"gate of kind {old['gate']['kind']}", "gate of kind edge"),
        )
        if name != kept
    ]
    if redefined:
        raise InputError(
            f"expected a model that this version reads in {file}, found the {redefined[0]} of format 3, which has been "
            "redefined since; read it with pyg-gears 0.1."
        )
    if old["embedding"]["zscore"]:
        raise InputError(
            f"expected a model that this version reads in {file}, found one of z-scored genes; read it with pyg-gears 0.1."
        )
    return {
        **content,
        "format": 4,
        "recipe": recipe_from_3(old),
        "encoder": _encoder(content["encoder"]),
    }


def _from_4(content: Content, file: object) -> Content:
    """pyg-gears 0.2 before checksums; what the training spots hold of each gene is unknown, so cells must have all of them."""
    return {**content, "format": 5, "version": "0.2.0", "training_genes": None}


def _from_5(content: Content, file: object) -> Content:
    """pyg-gears 0.3 before regressions voted and the last epochs used all slides."""
    recipe = {**content["recipe"], "regressions": None}
    recipe["training"] = {**recipe["training"], "final_epochs": 0}
    return {**content, "format": 6, "recipe": recipe, "regressions": None, "held_out": {}}


def _from_6(content: Content, file: object) -> Content:
    """pyg-gears 0.3 while ``embedding.kind=published`` was the encoder that is now called d7."""
    embedding = dict(content["recipe"]["embedding"])
    if embedding["kind"] == "published":
        embedding["kind"] = "d7"
        content = {**content, "encoder": {**content["encoder"], "architecture": "plain"}}
    return {**content, "format": 7, "recipe": {**content["recipe"], "embedding": embedding}}


STEPS: dict[Any, Callable[[Content, object], Content]] = {3: _from_3, 4: _from_4, 5: _from_5, 6: _from_6}
"""What reads a format, by its number."""


def recipe_from_3(old: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a model of format 3 as plain values of the present sections."""
    return {
        "embedding": _embedding(old["embedding"], old["encoder"]),
        "minisets": _minisets(old["minisets"]),
        "graph": _named(old["graph"], "k", "metric", "mutual", "jaccard", "projection"),
        "model": _model(old["model"], old["gate"], old["loss"], old["graph"]["gate_target"]),
        "loss": {
            **_named(old["loss"], "random_walk", "stress", "stress_kind", "repulsion", "entropy", "deep"),
            "distill": _if(old["loss"]["distill"], {"kind": old["loss"]["distill_kind"]}),
        },
        "training": _training(old["training"], old["model"]["members"]),
    }


def _named(section: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: section[name] for name in names}


def _if(weight: float, rest: Mapping[str, Any]) -> dict[str, Any] | None:
    """A section of a term whose weight was 0 where it took no part."""
    return {"weight": weight, **rest} if weight > 0 else None


def _embedding(old: Mapping[str, Any], encoder: Mapping[str, Any]) -> dict[str, Any]:
    common = _named(old, "kind", "genes", "target_sum", "transform", "cross_fit")
    common["adapter"] = {} if old["adapter"] else None
    if old["kind"] != "learned":
        return {**common, "components": old["components"]}
    front = {"kind": encoder["front"]}
    if encoder["front"] != "genes":
        front["components"] = encoder["front_components"]
    vicreg = _named(encoder, "invariance", "variance", "covariance", "invariance_warmup")
    return {
        **common,
        **_named(encoder, "hidden", "out_channels", "min_autocorrelation", "norm", "noise", "dropout", "scale_jitter"),
        **_named(encoder, "folds", "repeats", "steps", "evaluate_every", "batch_spots", "lr", "weight_decay"),
        "front": front,
        "infonce": _if(encoder["infonce"], _named(encoder, "temperature", "neighbors", "hard_negatives")),
        "vicreg": _if(encoder["vicreg"], vicreg),
        "adversary": _if(encoder["adversary"], {"against": "slides"}),
    }


def _encoder(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of an encoder without the choice to divide genes by their deviation."""
    result = dict(state)
    if "normalization" in state:
        result["normalization"] = {name: value for name, value in state["normalization"].items() if name != "zscore"}
    if "front" in state:
        result["front"] = _encoder(state["front"])
    return result


def _minisets(old: Mapping[str, Any]) -> dict[str, Any]:
    shares = dict(old["weights"]) if old["kind"] == "mixed" else {old["kind"]: 1.0}
    kinds: dict[str, Any] = {"local": None, "uniform": None, "expression": None}
    own = {"local": {"tau": old["tau"]}, "global": {}, "expression": {"restart": old["restart"]}}
    for name, share in shares.items():
        if share > 0:
            kinds["uniform" if name == "global" else name] = {"share": share, **own[name]}
    return {**_named(old, "count", "min_size", "max_size", "max_share", "seed"), **kinds}


def _model(
    old: Mapping[str, Any], gate: Mapping[str, Any], loss: Mapping[str, Any], gate_target: str
) -> dict[str, Any]:
    names = ("channels", "per_head") if gate["kind"] == "edge" else ("channels", "layers", "heads", "dropout", "limit")
    taught = {"beta": gate["beta"], "detached": gate["detached"], "clean": gate["clean"], "target": gate_target}
    if gate["beta_ramp_epochs"] > 0:
        taught |= _named(gate, "beta_start", "beta_ramp_epochs")
    if loss["rank"] > 0:
        taught["rank_margin"] = loss["rank_margin"]
    return {
        **_named(old, "kind", "recycles", "shared", "hidden_channels", "heads", "head_channels"),
        **_named(old, "frame", "pair", "step", "noise", "dropout", "detach"),
        "qk": "divided" if old["qk_norm"] else "plain",
        "geo": None if old["geo"] == "none" else {"kind": old["geo"], "start": old["geo_from"]},
        "gate": {
            **_named(gate, "kind", *names),
            **taught,
            "kl": loss["gate"],
            "trust": loss["trust"],
            "rank": loss["rank"],
        },
    }


def _training(old: Mapping[str, Any], members: int) -> dict[str, Any]:
    names = [name for name in old if name not in ("pretrain_steps", "pretrain_lr")]
    steps = old["pretrain_steps"]
    return {
        **_named(old, *names),
        "members": members,
        "pretraining": {"steps": steps, "lr": old["pretrain_lr"]} if steps else None,
    }
