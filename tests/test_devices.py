from __future__ import annotations

import pytest
import torch

from pyg_gears.devices import find_device, meet_processes
from pyg_gears.errors import InputError


def test_names() -> None:
    assert find_device("cpu") == find_device(torch.device("cpu")) == torch.device("cpu")
    assert find_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("name", "expected"), [("auto", "cuda:1"), ("cuda", "cuda:1"), ("cuda:0", "cuda:0"), ("cpu", "cpu")]
)
def test_each_process_of_a_machine_takes_a_gpu_of_its_own(monkeypatch, name: str, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda") == torch.device("cuda")
    for variable, value in (("RANK", "7"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "3")):
        monkeypatch.setenv(variable, value)
    assert find_device(name) == torch.device(expected)


@pytest.mark.parametrize("name", ["gpu", "meta", "mps"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"expected a device among auto, cpu and cuda, found '{name}'"):
        find_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_refused() -> None:
    with pytest.raises(InputError, match="expected a CUDA device for 'cuda', found none; use auto or cpu"):
        find_device("cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_command_refuses_a_missing_cuda_device_before_it_reads() -> None:
    with pytest.raises(InputError, match="expected a CUDA device for 'cuda:0', found none; use auto or cpu"):
        meet_processes("cuda:0")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(InputError, match="expected one of the 2 CUDA devices from cuda:0 on, found 'cuda:2'"):
        find_device("cuda:2")
