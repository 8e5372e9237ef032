from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.layout import LayoutSettings, PatchPredictor, dask_shards, on_dask
from pyg_gears.layout.dask_shards import _task, _versions, dask_cluster
from pyg_gears.models import CoordinateMLP
from pyg_gears.ranks import Ranks
from pyg_gears.transforms import CandidateGraph
from tests.layout.test_patch_predictor import patches_of

SETTINGS = LayoutSettings(samples=2, shard_patches=2)
PATCHES = patches_of([20, 9, 30, 25, 12], 50)
X = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))


def predictor(**options: object) -> PatchPredictor:
    torch.manual_seed(0)
    models = [CoordinateMLP(3).eval(), CoordinateMLP(3).eval()]
    return PatchPredictor(models, CandidateGraph(8, "euclidean"), SETTINGS, 3, **options)


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="Dask is the extra dask")
    options = {"processes": False, "dashboard_address": None, "protocol": "inproc://"}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_the_workers_predict_the_same_bytes(client) -> None:
    alone = predictor().predict(X, PATCHES)
    with on_dask(client):
        found = predictor().predict(X, PATCHES)
    assert found.pos.tobytes() == alone.pos.tobytes()
    assert dask_cluster() is None
    assert client.status == "running"  # it was given, and is left open


def test_this_process_predicts_nothing_and_keeps_the_shards(client, tmp_path, monkeypatch) -> None:
    alone = predictor().predict(X, PATCHES)
    sent = []
    submit = client.submit
    monkeypatch.setattr(client, "submit", lambda *words, **named: sent.append(words) or submit(*words, **named))
    with on_dask(client):
        first = predictor(shard_dir=tmp_path).predict(X, PATCHES)
        next(tmp_path.glob("shard_00001*")).unlink()
        again = predictor(shard_dir=tmp_path).predict(X, PATCHES)
    assert (first.resumed, again.resumed) == (0, 2)
    assert first.pos.tobytes() == again.pos.tobytes() == alone.pos.tobytes()
    # Three shards, then the missing one; each with its own cells alone.
    assert [words[4] for words in sent] == [0, 2, 4, 2]
    assert [len(words[2]) for words in sent] == [
        len(np.unique(PATCHES.cells[a:b])) for a, b in ((0, 29), (29, 84), (84, 96), (29, 84))
    ]
    assert all(words[1].key == sent[0][1].key for words in sent[:3])


def test_what_a_worker_refuses_is_said_here(client) -> None:
    broken = predictor()
    torch.nn.init.constant_(next(broken.models[1].parameters()), torch.nan)
    with on_dask(client), pytest.raises(InputError, match="expected finite coordinates from the model"):
        broken.predict(X, PATCHES)


def test_workers_of_other_versions_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected pyg-gears 0\.1 and torch 2\.0 in Dask's workers, found pyg-gears"):
        _task(predictor(), X, PATCHES, 0, "cpu", "pyg-gears 0.1 and torch 2.0", 1)
    assert _versions().startswith("pyg-gears ")


def test_a_task_leaves_the_number_of_threads(monkeypatch) -> None:
    used, before = [], torch.get_num_threads()
    real = PatchPredictor.predict_some
    monkeypatch.setattr(
        PatchPredictor, "predict_some", lambda *words: used.append(torch.get_num_threads()) or real(*words)
    )
    _task(predictor(), X, PATCHES, 0, "cpu", _versions(), before + 1)
    assert (used, torch.get_num_threads()) == ([before + 1], before)


def test_no_scheduler_is_refused() -> None:
    pytest.importorskip("distributed", reason="Dask is the extra dask")
    with (
        pytest.raises(
            InputError, match=r"expected a Dask scheduler with workers at tcp://127\.0\.0\.1:9, found none in"
        ),
        on_dask("tcp://127.0.0.1:9", timeout=0.3),
    ):
        pass


def test_dask_without_the_package_is_refused(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"expected the package distributed .*pip install 'pyg-gears\[dask\]'"),
        on_dask("tcp://127.0.0.1:9"),
    ):
        pass


def test_a_launcher_and_dask_together_are_refused(monkeypatch) -> None:
    pytest.importorskip("distributed", reason="Dask is the extra dask")
    monkeypatch.setattr(dask_shards, "current_ranks", lambda: Ranks(0, 2))
    with (
        pytest.raises(InputError, match="expected one process with a Dask cluster, found 2; leave out the launcher"),
        on_dask("tcp://127.0.0.1:9"),
    ):
        pass


def test_a_client_of_ours_is_closed_where_no_worker_comes(monkeypatch) -> None:
    closed = []

    class Client:
        def __init__(self, *_, **__) -> None:
            pass

        def wait_for_workers(self, *_, **__) -> None:
            raise TimeoutError("no worker")

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client))
    with pytest.raises(InputError, match="expected a Dask scheduler with workers"), on_dask("tcp://127.0.0.1:9"):
        pass
    assert len(closed) == 1
    given = Client()
    with pytest.raises(InputError, match="expected a Dask scheduler with workers"), on_dask(given):
        pass
    assert given not in closed
