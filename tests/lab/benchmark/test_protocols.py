from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data import Slide, disjoint_halves, pseudo_spots
from pyg_gears.errors import InputError
from pyg_gears.lab.benchmark import PROTOCOLS, Pooling, make_case

POOLING = Pooling((7, 6), 0.9, 2, 0.0)
CELLS = 320


def section(name: str, n: int = CELLS, seed: int = 0) -> Slide:
    generator = np.random.default_rng(seed)
    counts = csr_array(generator.poisson(1.5, size=(n, 12)).astype(np.float32))
    pos = generator.uniform((5, -40), (85, 20), size=(n, 2))
    return Slide(name, counts, tuple("abcdefghijkl"), tuple(f"{name}{i}" for i in range(n)), pos)


def test_same_cells_are_pooled_and_placed() -> None:
    tissue = section("a")
    case = make_case("same-cells", [tissue], POOLING, seed=0)
    spots = pseudo_spots(tissue, (7, 6), core=0.9)
    assert case.query.pos is None
    assert case.query.cells == tissue.cells
    np.testing.assert_array_equal(case.truth, tissue.pos)
    np.testing.assert_array_equal(case.references[0].counts.toarray(), spots.slide.counts.toarray())
    assert list(case.parts) == ["all", "inside", "between"]
    np.testing.assert_array_equal(case.parts["inside"], spots.inside)
    np.testing.assert_array_equal(case.parts["between"], ~spots.inside)
    assert case.parts["all"].all()


def test_no_placed_cell_of_disjoint_halves_is_in_a_spot() -> None:
    tissue = section("a")
    case = make_case("disjoint-halves", [tissue], POOLING, seed=4)
    pooled, placed = disjoint_halves(tissue, seed=4)
    assert case.query.cells == placed.cells
    spots = pseudo_spots(pooled, (7, 6), core=0.9)
    assert case.references[0].counts.sum() == pooled.counts[spots.inside].sum()
    np.testing.assert_array_equal(case.parts["inside"], spots.spot_of(placed.pos) >= 0)  # type: ignore[arg-type]
    other = make_case("disjoint-halves", [tissue], POOLING, seed=5)
    assert other.query.cells != case.query.cells


def test_other_sections_are_placed_whole() -> None:
    a, b, c = section("a"), section("b", seed=1), section("c", seed=2)
    case = make_case("another-section", [a, b], POOLING, seed=0)
    assert [slide.name for slide in case.references] == ["a_spots"]
    assert case.query.cells == b.cells
    assert list(case.parts) == ["all"]
    third = make_case("two-to-third", [a, b, c], None, seed=0)
    assert [slide.name for slide in third.references] == ["a", "b"]
    assert len(third.references[0]) == CELLS
    np.testing.assert_array_equal(third.truth, c.pos)
    assert third.query.pos is None


def test_what_a_protocol_lacks_is_said() -> None:
    tissue = section("a")
    with pytest.raises(InputError, match=r"expected a protocol among same-cells, .*, found 'same' .did you mean"):
        make_case("same", [tissue], POOLING, seed=0)
    for name, protocol in PROTOCOLS.items():
        few = [tissue] * (protocol.sections - 1)
        with pytest.raises(InputError, match=f"at least {protocol.sections} sections for {name}, found {len(few)}"):
            make_case(name, few, POOLING, seed=0)
    with pytest.raises(InputError, match="a: expected spots to be made of the cells that are placed, found --no-pool"):
        make_case("same-cells", [tissue], None, seed=0)
    with pytest.raises(
        InputError, match="a: expected at least 30 pseudo-spots, found 16 with 2 cells or more; change --grid"
    ):
        make_case("same-cells", [tissue], POOLING._replace(grid=4), seed=0)
