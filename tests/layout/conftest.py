"""A stand-in for a trained model: the truth of a patch in a random gauge, with noise or outright failures."""

from __future__ import annotations

import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch


class Oracle(torch.nn.Module):
    """Reads the truth from the first two channels of ``x``; its noise is a function of the patch alone."""

    noise = 0.05

    def __init__(self, error: float = 0.1, failures: float = 0.0, salt: int = 0) -> None:
        super().__init__()
        self.error, self.failures, self.salt = error, failures, salt
        self.calls: list[int] = []

    def forward(self, batch, noise=0.0, generator=None):
        self.calls.append(len(batch.x))
        parts = []
        for graph in batch.to_data_list():
            assert graph.edge_index.numel() == 0 or int(graph.edge_index.max()) < len(graph.x)
            truth = graph.x[:, :2].double()
            rng = np.random.default_rng([zlib.crc32(graph.x.numpy().tobytes()), self.salt])
            radius = float((truth - truth.mean(0)).square().sum(1).mean().sqrt())
            pos = truth + self.error * radius * torch.from_numpy(rng.standard_normal(truth.shape))
            if rng.random() < self.failures:
                pos = torch.from_numpy(rng.standard_normal(truth.shape))
            if noise:
                pos = pos + noise * radius * torch.randn(truth.shape, generator=generator, dtype=torch.float64)
            turn, _ = np.linalg.qr(rng.standard_normal((2, 2)))  # rotations and mirror images
            parts.append(
                float(np.exp(rng.normal())) * pos @ torch.from_numpy(turn) + torch.from_numpy(rng.normal(size=2))
            )
        return SimpleNamespace(pos=torch.cat(parts).float())


def tissue(n: int, seed: int = 0, shape: str = "rectangle") -> torch.Tensor:
    """Cells spread evenly over a rectangle (sides 3 to 2) or a ring."""
    rng = np.random.default_rng(seed)
    if shape == "ring":
        angle, radius = rng.random(n) * 2 * np.pi, np.sqrt(0.25 + 0.75 * rng.random(n))
        return torch.from_numpy(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)).float()
    return torch.from_numpy(rng.random((n, 2)) * [3.0, 2.0]).float()


def distance_spearman(a: np.ndarray, b: np.ndarray, sample: int = 100_000) -> float:
    """Spearman correlation of the distances of random pairs."""
    from scipy.stats import spearmanr

    i, j = np.random.default_rng(0).integers(0, len(a), (2, sample))
    i, j = i[i != j], j[i != j]
    return float(spearmanr(np.hypot(*(a[i] - a[j]).T), np.hypot(*(b[i] - b[j]).T)).statistic)


@pytest.fixture
def oracle():
    return Oracle


@pytest.fixture
def make_tissue():
    return tissue


@pytest.fixture
def spearman():
    return distance_spearman
