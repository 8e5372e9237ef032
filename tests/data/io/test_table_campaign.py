from __future__ import annotations

import pytest

from tests.campaign import tables


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_odd_tables_are_read_right_or_refused(first: int) -> None:
    for seed in range(first, first + 20):
        assert tables.attempt(seed) is None, tables.describe(seed)


def test_a_wrong_reading_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("io.counts", "slide"):
        monkeypatch.setattr(f"pyg_gears.data.{module}.normalisation", lambda counts: None)
    assert any("other values than the counts" in (tables.attempt(seed) or "") for seed in range(60))
