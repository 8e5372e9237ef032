"""An AnnData becomes a file chunk by chunk, and a full disk or a Ctrl-C meanwhile is an ordinary error."""

from __future__ import annotations

import gc
import io
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data import write_layout
from pyg_gears.data.io import store_anndata as module
from pyg_gears.data.io.store_anndata import store_anndata
from pyg_gears.errors import InputError


def table(n: int = 400) -> anndata.AnnData:
    rng = np.random.default_rng(0)
    adata = anndata.AnnData(csr_array(rng.poisson(0.3, (n, 50)).astype(np.float32)))
    adata.obs["kind"] = rng.choice(["a", "b"], n)
    adata.obsm["noise"] = rng.random((n, 30))
    adata.uns["many"] = {f"k{i}": {"values": np.arange(i), "text": "x" * i} for i in range(60)}
    return adata


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
            with pytest.raises(InputError, match="File too large"):
                write_layout(
                    tmp_path / "layout.h5ad",
                    adata,
                    pos=np.zeros((400, 2)),
                    confidence=np.zeros(400),
                    distances=csr_array((400, 400)),
                    info={},
                )
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
