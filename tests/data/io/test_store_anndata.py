"""An AnnData becomes a file chunk by chunk, and a full disk or a Ctrl-C meanwhile is an ordinary error."""

from __future__ import annotations

import gc
import io
import resource
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data import write_layout
from pyg_gears.data.io import store_anndata as module
from pyg_gears.data.io.store_anndata import store_anndata, store_copy
from pyg_gears.errors import InputError


def table(n: int = 400) -> anndata.AnnData:
    rng = np.random.default_rng(0)
    adata = anndata.AnnData(csr_array(rng.poisson(0.3, (n, 50)).astype(np.float32)))
    adata.obs["kind"] = rng.choice(["a", "b"], n)
    adata.obsm["noise"] = rng.random((n, 30))
    adata.uns["many"] = {f"k{i}": {"values": np.arange(i), "text": "x" * i} for i in range(60)}
    return adata


def layout(n: int = 400, place: float = 0.0) -> dict[str, Any]:
    return {
        "pos": np.full((n, 2), place),
        "confidence": np.full(n, place),
        "distances": csr_array((n, n)),
        "info": {"at": place},
    }


def test_a_layout_replaces_one_that_the_file_has(tmp_path: Path) -> None:
    adata = table()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    write_layout(tmp_path / "first.h5ad", tmp_path / "cells.h5ad", **layout(place=1.0))
    write_layout(tmp_path / "second.h5ad", tmp_path / "first.h5ad", **layout(place=2.0))
    found = anndata.read_h5ad(tmp_path / "second.h5ad")
    assert list(found.obs) == ["kind", "gears_confidence"]
    assert (found.obs["gears_confidence"] == 2).all()
    assert (found.obsm["X_gears"] == 2).all()
    assert found.uns["gears"] == {"at": 2.0}
    assert sorted(found.uns["many"]) == sorted(adata.uns["many"])
    assert (found.X != adata.X).nnz == 0


def test_a_table_without_groups_for_a_layout_gets_them(tmp_path: Path) -> None:
    table().write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "a") as file:
        for group in ("obsm", "obsp", "uns", "layers"):
            del file[group]
    write_layout(tmp_path / "layout.h5ad", tmp_path / "cells.h5ad", **layout(place=3.0))
    found = anndata.read_h5ad(tmp_path / "layout.h5ad")
    assert (found.obsm["X_gears"] == 3).all()
    assert found.obsp["gears_distances"].shape == (400, 400)


def test_a_file_of_cells_is_copied_and_not_read(tmp_path: Path) -> None:
    code = f"""
    import resource, pathlib
    import anndata, numpy as np
    from scipy.sparse import csr_array
    from pyg_gears.data import write_layout
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    folder = pathlib.Path({str(tmp_path)!r})
    def write(name):
        write_layout(folder / f"{{name}}_layout.h5ad", folder / f"{{name}}.h5ad", pos=np.zeros((1000, 2)),
                     confidence=np.zeros(1000), distances=csr_array((1000, 1000)), info={{}})
    write("small")
    before = peak()
    write("large")
    print(peak() - before)
    """
    for name, genes in (("small", 2), ("large", 10_000)):
        values = np.random.default_rng(0).random((1000, genes))
        anndata.AnnData(values).write_h5ad(tmp_path / f"{name}.h5ad")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    size = (tmp_path / "large_layout.h5ad").stat().st_size / 2**20
    assert size > 60
    assert float(done.stdout) < size / 3


def test_a_file_is_not_made_in_memory(tmp_path: Path) -> None:
    code = f"""
    import resource, pathlib
    import anndata, numpy as np
    from pyg_gears.data.io.store_anndata import store_anndata
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store_anndata(pathlib.Path({str(tmp_path / "small.h5ad")!r}), anndata.AnnData(np.ones((3, 2))))
    adata = anndata.AnnData(obs={{"kind": ["a"] * 1000}}, obsm={{"noise": np.random.default_rng(0).random((1000, 10000))}})
    before = peak()
    store_anndata(pathlib.Path({str(tmp_path / "large.h5ad")!r}), adata)
    print(peak() - before)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    size = (tmp_path / "large.h5ad").stat().st_size / 2**20
    assert size > 60
    assert float(done.stdout) < size / 3


def test_a_full_disk_at_any_moment_is_the_system_s_own_error(tmp_path: Path) -> None:
    adata = table()
    store_anndata(tmp_path / "whole.h5ad", adata)
    size = (tmp_path / "whole.h5ad").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in [0, 100, *range(2000, size, size // 12), size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                store_anndata(tmp_path / "part.h5ad", adata)
            for source in (adata, tmp_path / "whole.h5ad"):
                with pytest.raises(InputError, match="File too large"):
                    write_layout(tmp_path / "layout.h5ad", source, **layout())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        gc.collect()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.h5ad", "whole.h5ad"]


def over(base: type[io.FileIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """The file below the one that HDF5 writes to is another one."""
    monkeypatch.setattr(module, "_Target", type("Target", (module._Target, base), {}))


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.FileIO):
        def write(self, data):
            return super().write(memoryview(data)[:1000])

    adata = table()
    store_anndata(tmp_path / "whole.h5ad", adata)
    over(Slow, monkeypatch)
    store_anndata(tmp_path / "slow.h5ad", adata)
    assert (tmp_path / "slow.h5ad").read_bytes() == (tmp_path / "whole.h5ad").read_bytes()


def test_an_interrupt_while_hdf5_writes_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.FileIO):
        calls, left = 0, 10**9

        def write(self, data):
            Interrupted.calls += 1
            Interrupted.left -= 1
            if Interrupted.left <= 0:
                raise KeyboardInterrupt
            return super().write(data)

    over(Interrupted, monkeypatch)
    store_anndata(tmp_path / "whole.h5ad", table())
    calls = Interrupted.calls
    for left in (1, calls // 2, calls):
        Interrupted.left = left
        with pytest.raises(KeyboardInterrupt):
            store_anndata(tmp_path / "part.h5ad", table())
    Interrupted.left = 10**9
    store_anndata(tmp_path / "cells.h5ad", table())
    with h5py.File(tmp_path / "cells.h5ad") as file:
        Interrupted.calls = 0
        store_copy(tmp_path / "copy.h5ad", file, {"obsm/place": np.zeros((400, 2))})
        for left in (1, Interrupted.calls // 2, Interrupted.calls):
            Interrupted.left = left
            with pytest.raises(KeyboardInterrupt):
                store_copy(tmp_path / "part.h5ad", file, {"obsm/place": np.zeros((400, 2))})
