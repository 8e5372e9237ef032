"""What a layout's file says about how it was made: ``uns["gears"]``, of which every part may be missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyg_gears.report.fit_verdict import TITLES, fit_verdict
from pyg_gears.training.held_out import held_out_block

RANK_AND_ENERGY = (
    "How good it is on what was held out: a rank correlation of predicted and true distances is 1 where they are perfect and 0 "
    "by chance; E_geo is an error of the geometry."
)
GAP_FIELDS = ("coral", "mmd", "covariance")


def layout_origin(uns: Mapping[str, Any]) -> dict[str, Any]:
    """``uns["gears"]`` with its lists and nulls, which the file holds as JSON text, as Python values."""
    found = uns.get("gears")
    return _plain(found) if isinstance(found, Mapping) else {}


def part(origin: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping in the origin, empty where there is none."""
    found = origin.get(name)
    return found if isinstance(found, Mapping) else {}


def training_sentences(model: Mapping[str, Any]) -> list[str]:
    """What the model was trained on, from its report."""
    if not model.get("slides"):
        return ["The file does not say what the model was trained on."]
    slides, held_out = _names(model["slides"]), _names(model.get("held_out", ()))
    is_block = bool(model.get("held_out_is_block"))
    anew = " In the second, the model was trained anew on all spots." if model.get("trained_on_all") else ""
    trained = slides if is_block or anew else [name for name in slides if name not in held_out]
    lines = [f"Trained on {len(trained)} {'slide' if len(trained) == 1 else 'slides'}: {', '.join(trained)}."]
    when = "in the first round" if anew else "from the training"
    if held_out and is_block:
        by = "blocks of the slide, each placed by the rest" if len(slides) == 1 else "each slide placed by the others"
        lines.append(
            f"{held_out_block(len(slides)).capitalize()} was held out {when}; the confidence was calibrated on {by}.{anew}"
        )
    elif held_out:
        joined = anew or (" Afterwards it joined the fit." if model.get("held_out_joined") else "")
        lines.append(f"Held out {when}, to calibrate the confidence: {', '.join(held_out)}.{joined}")
    if model.get("genes"):
        lines.append(f"The embedding reads {int(model['genes']):,} genes.")
    if "cells" in model:
        cells = int(model["cells"])
        lines.append(f"The expression of {cells:,} cells joined its fit." if cells else "No cells joined its fit.")
    if isinstance(model.get("h_gate"), float) and isinstance(model.get("t_edge"), float):
        known = part(model, "rivals")
        rivals = {name: known[name] for name in TITLES if isinstance(known.get(name), float)}
        lines.append(RANK_AND_ENERGY)
        energies = {**model, "held_out": held_out, "held_out_is_block": is_block, "rivals": rivals}
        lines.append(f"{fit_verdict(energies)}. A lower E_geo is better.")
    return lines


def domain_warnings(origin: Mapping[str, Any]) -> list[str]:
    """Warnings about cells that lie far from the training spots."""
    gap = part(origin, "gap")
    if not all(isinstance(gap.get(name), int | float | np.number) for name in GAP_FIELDS):
        return []
    from pyg_gears.encoders import DomainGap

    found = DomainGap(*(float(gap[name]) for name in GAP_FIELDS))
    if not found.far:
        return []
    after = (
        "an adapter moved them onto the spots, which cannot tell foreign tissue from another platform"
        if origin.get("adapted")
        else "no adapter was used"
    )
    return [
        f"These cells lie farther from the training spots than other sections of a tissue do (covariance {found.covariance:.2f}, "
        f"MMD {found.mmd:.3f}); {after}. Check tissue, platform and gene names before you trust places."
    ]


def _names(value: Any) -> list[str]:
    return [str(name) for name in (value if isinstance(value, list | tuple | np.ndarray) else [value])]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str) and (value[:1] in "[{" or value == "null"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
