from __future__ import annotations

from pyg_gears.errors import nearest_name


def test_a_name_is_found_whatever_its_case() -> None:
    assert nearest_name("erbb2", ["ACTB", "ERBB2"]) == " (did you mean 'ERBB2'?)"
    assert nearest_name("Library_ID", ["library_id", "sample"]) == " (did you mean 'library_id'?)"
    assert nearest_name("sox", ["Sox", "SOX"]) == " (did you mean 'Sox'?)"
    assert nearest_name("x", []) == ""
