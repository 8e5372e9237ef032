"""Attempts of one kind in a process of their own: ``python -m tests.campaign.once KIND FIRST COUNT``.

Every seed is written before its attempt and its outcome after it, as lines of JSON, so that the caller knows which one
killed the process or never ended.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings

from tests.campaign.kinds import kind


def run(name: str, first: int, count: int) -> None:
    """Run the attempts of seeds ``first``, ``first + 1``, ... and write what they found."""
    warnings.simplefilter("ignore")
    for seed in range(first, first + count):
        print(json.dumps({"begin": seed}), flush=True)
        try:
            found = kind(name).attempt(seed)
        except Exception:
            found = "the attempt itself ended with\n" + traceback.format_exc()
        print(json.dumps({"end": seed, "found": found}), flush=True)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
