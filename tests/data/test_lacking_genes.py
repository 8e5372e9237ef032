from __future__ import annotations

import pytest

from pyg_gears.data.lacking_genes import check_lacking
from pyg_gears.errors import InputError

GENES = tuple(f"Gene{i}" for i in range(40))


def test_fewer_than_a_tenth_may_be_missing_or_none() -> None:
    check_lacking("c", GENES[3:], GENES)
    with pytest.raises(
        InputError, match=r"c: expected all 40 genes of the model, found 4 missing, for instance Gene0, Gene1"
    ):
        check_lacking("c", GENES[4:], GENES)
    check_lacking("c", GENES, GENES, allowed=0.0)
    with pytest.raises(
        InputError, match=r"found 1 missing, for instance Gene0; fit again .* pyg-gears fit \.\.\. --cells CELLS"
    ):
        check_lacking("c", GENES[1:], GENES, allowed=0.0)


def test_a_renaming_that_helps_is_named() -> None:
    with pytest.raises(InputError, match=r"found 40 missing, .* 40 would be shared if case did not count"):
        check_lacking("c", tuple(gene.upper() for gene in GENES), GENES)
