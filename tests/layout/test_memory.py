from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from pyg_gears.errors import InputError, arguments_are_options
from pyg_gears.layout import LayoutSettings, PatchesOutput, collect_votes, layout_memory, memory_bytes, votes_at_a_time
from pyg_gears.layout.memory import BLOCK, LEAST_BLOCK, WORKING


@pytest.mark.parametrize(
    ("text", "found"),
    [("8GB", 8e9), ("1.5 tb", 1.5e12), ("512MiB", 2**29), ("2g", 2e9), ("300000", 3e5), (4e9, 4e9), ("7 B", 7)],
)
def test_amounts_are_read(text, found) -> None:
    assert memory_bytes(text) == found


@pytest.mark.parametrize("text", ["", "much", "-3GB", "0", "8 GB of it", "8XB", "nan", -1.0])
def test_what_is_no_amount_is_refused(text) -> None:
    with pytest.raises(InputError, match=r"expected an amount of memory, found .*; give it as in 8GB"):
        memory_bytes(text)


def test_less_room_means_fewer_votes_at_a_time_and_too_little_is_refused() -> None:
    settings = LayoutSettings()
    needed = 10**9 + layout_memory(50_000, settings, 3)
    found = [
        votes_at_a_time(needed + votes * WORKING, 50_000, settings, 3, held=10**9)
        for votes in (LEAST_BLOCK + 1, 50_000, 10**9)
    ]
    assert found == [LEAST_BLOCK + 1, 50_000, BLOCK]
    with pytest.raises(
        InputError, match=r"expected at least .* GB for 50,000 cells by estimate .*\(1.00 GB of it are held"
    ):
        votes_at_a_time(needed, 50_000, settings, 3, held=10**9)
    with pytest.raises(InputError, match=r"found a limit of 0\.00 GB; raise max_memory"):
        votes_at_a_time("1MB", 50, settings, 3)


@pytest.mark.parametrize("held", [10**9, 10**9 + 4 * 10**6])
def test_the_least_that_a_refusal_names_is_enough(held: int) -> None:
    with pytest.raises(InputError) as refusal, arguments_are_options():
        votes_at_a_time("1MB", 300, LayoutSettings(), 3, held=held)
    named = re.search(r"at least (.* GB) for 300 cells .* raise --max-memory, lower", str(refusal.value))
    assert named is not None
    assert votes_at_a_time(named[1], 300, LayoutSettings(), 3, held=held) >= LEAST_BLOCK


HELD = """
import numpy as np
from pyg_gears.layout.memory import held_memory
before = held_memory()
array = np.ones(2**24)
print(before, held_memory() - before, array.nbytes)
"""


def test_what_the_process_holds_follows_its_arrays() -> None:
    # In a process of its own: from an older one the system may take idle pages meanwhile.
    found = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    before, added, size = map(int, found.stdout.split())
    assert before > 2**25
    assert 0.9 * size < added < 1.5 * size


def test_the_estimate_counts_the_votes_of_a_layout() -> None:
    """Pairs and votes of 4,000 cells as patches of 256 hold them, in the plane, by their true places."""
    rng, n, size, settings = np.random.default_rng(0), 4000, 256, LayoutSettings()
    truth = rng.random((n, 2))
    near = [np.sort(np.argsort(((truth - truth[i]) ** 2).sum(axis=1))[:size]) for i in rng.integers(0, n, 100)]
    wide = [np.sort(part) for _ in range(4) for part in rng.permutation(n)[: n // size * size].reshape(-1, size)]
    cells = np.concatenate(wide + near)
    patches = PatchesOutput(
        cells, np.arange(len(cells) // size + 1) * size, np.arange(len(wide) + len(near)) < len(wide), n
    )
    votes = collect_votes(patches, truth[cells][None].astype(np.float32))
    held = sum(array.nbytes for array in (votes.pairs, votes.ptr, votes.patch, votes.log_distance))
    assert held == 16 * votes.pairs.shape[1] + 8 * (len(votes.patch) + 1)
    alone = layout_memory(n, settings, 0) - layout_memory(0, settings, 0)
    assert 1.5 * held < alone < 6 * held


def test_more_cells_share_fewer_pairs_and_what_was_measured_is_covered() -> None:
    """100,000 simulated cells took 1.03 GB beside what was held before them (docs/speed.md)."""
    settings = LayoutSettings()
    whole = layout_memory(100_000, settings, 3)
    fixed = layout_memory(0, settings, 3)
    assert 1.03e9 < whole < 1.6e9
    each = [(layout_memory(n, settings, 3) - fixed) / n for n in (10**4, 10**5, 10**6)]
    assert each[1] > 1.2 * each[0]
    assert each[2] > 1.2 * each[1]
    # All proposals distinct: no more than that, however many cells.
    assert layout_memory(10**10, settings, 3) == pytest.approx(10 * layout_memory(10**9, settings, 3), rel=1e-3)
