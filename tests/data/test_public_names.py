from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import pyg_gears.data


def test_every_name_loads_from_its_home_and_no_submodule_shadows_it() -> None:
    for module in pkgutil.iter_modules(pyg_gears.data.__path__):
        importlib.import_module(f"pyg_gears.data.{module.name}")
    for name in pyg_gears.data.__all__:
        assert not inspect.ismodule(getattr(pyg_gears.data, name)), name
    assert set(pyg_gears.data.__all__) == set(dir(pyg_gears.data))
    assert dir(pyg_gears.data) == sorted(pyg_gears.data.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match=r"No pyg_gears\.data attribute nothing"):
        _ = pyg_gears.data.nothing
