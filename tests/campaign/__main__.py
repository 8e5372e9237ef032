"""``python -m tests.campaign --minutes N``: random attempts of every kind in turn; what fails is written as a file each.

A failure is run again with ``python -m tests.campaign --kind KIND --seed SEED``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.campaign.kinds import kind, names

SECONDS_PER_ATTEMPT = 120


def attempts(name: str, first: int, count: int, seconds: float) -> dict[int, str | None]:
    """Outcome by seed, of as many attempts as ``seconds`` allow; a crash and a hang end the series and are outcomes too."""
    outcomes: dict[int, str | None] = {}
    command = [sys.executable, "-m", "tests.campaign.once", name, str(first), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, errors = process.communicate(timeout=seconds + SECONDS_PER_ATTEMPT)
            ended = f"the process ended with code {process.returncode}: {errors[-2000:]}"
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            ended = f"no end within {SECONDS_PER_ATTEMPT} s"
    begun: int | None = None
    for line in output.splitlines():
        event = json.loads(line)
        begun = event.get("begin")
        if "end" in event:
            outcomes[event["end"]] = event["found"]
    if begun is not None:
        outcomes[begun] = ended
    return outcomes


def campaign(chosen: list[str], minutes: float, out: Path, start: int) -> Counter[str]:
    """Run the kinds in turn until the time is over, and count attempts and failures by kind."""
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    following = dict.fromkeys(chosen, start)
    rate: dict[str, float] = {}
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        for name in chosen:
            count = max(1, min(500, int(20 / rate.get(name, 5.0))))  # about twenty seconds at a time
            begun = time.monotonic()
            outcomes = attempts(name, following[name], count, 60)
            rate[name] = (time.monotonic() - begun) / max(1, len(outcomes))
            following[name] = max([following[name], *outcomes]) + 1
            for seed, found in outcomes.items():
                tried[name] += 1
                if found is None:
                    continue
                failed[name] += 1
                out.mkdir(parents=True, exist_ok=True)
                repeat = f"python -m tests.campaign --kind {name} --seed {seed}"
                text = f"{kind(name).describe(seed)}\n\n{found}\n\nRun again: {repeat}\n"
                (out / f"{name}_{seed}.txt").write_text(text)
            print(
                f"{name}: {tried[name]} tried, {failed[name]} failed ({1 / rate[name]:.1f} attempts per second)",
                flush=True,
            )
    for name in chosen:
        print(f"{kind(name).KIND}: {tried[name]} tried, {tried[name] - failed[name]} held, {failed[name]} failed")
    return failed


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kind", action="append", choices=names(), help="Only this kind; may be repeated.")
    parser.add_argument("--seed", type=int, help="Run this one attempt of one kind, in this process.")
    parser.add_argument("--start", type=int, default=0, help="First seed.")
    parser.add_argument("--out", type=Path, default=Path("campaign"), help="Folder of what fails.")
    given = parser.parse_args()
    if given.seed is not None:
        if not given.kind or len(given.kind) != 1:
            parser.error("--seed needs one --kind")
        print(kind(given.kind[0]).describe(given.seed))
        found = kind(given.kind[0]).attempt(given.seed)
        print("held" if found is None else found)
        sys.exit(found is not None)
    sys.exit(bool(campaign(given.kind or names(), given.minutes, given.out, given.start)))


if __name__ == "__main__":
    main()
