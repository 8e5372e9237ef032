"""Counts the memory that tensor operations hold, whatever the allocator."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorMemory(TorchDispatchMode):
    """Bytes of the tensors that live at once while the mode is active: ``peak``, and the ``largest`` single one."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self.largest = self.live = 0
        self.users: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        known = {id(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and id(tensor) not in known:
                storage = tensor.untyped_storage()
                key, size = storage.data_ptr(), storage.nbytes()
                self.users[key] += 1
                if self.users[key] == 1:
                    self.live += size
                    self.largest, self.peak = max(self.largest, size), max(self.peak, self.live)
                weakref.finalize(tensor, self._drop, key, size)
        return out

    def _drop(self, key: int, size: int) -> None:
        self.users[key] -= 1
        if self.users[key] == 0:
            self.live -= size


@pytest.fixture
def tensor_memory() -> TensorMemory:
    return TensorMemory()
