"""The target laboratory: diagnostics of the targets themselves, without any model.

Names are loaded when first used: files are checked before torch or matplotlib is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.lab.targets.families import FAMILIES, Family, target_data, target_matrix
    from pyg_gears.lab.targets.laboratory import check_target_laboratory, target_laboratory, target_probes
    from pyg_gears.lab.targets.recovery import Recovered, recover
    from pyg_gears.lab.targets.subject import Miniset, TargetsSubject, targets_subject

__all__ = [
    "FAMILIES",
    "Family",
    "Miniset",
    "Recovered",
    "TargetsSubject",
    "check_target_laboratory",
    "recover",
    "target_data",
    "target_laboratory",
    "target_matrix",
    "target_probes",
    "targets_subject",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "families": ("FAMILIES", "Family", "target_data", "target_matrix"),
        "laboratory": ("check_target_laboratory", "target_laboratory", "target_probes"),
        "recovery": ("Recovered", "recover"),
        "subject": ("Miniset", "TargetsSubject", "targets_subject"),
    },
)
