"""Do the pieces of structure transfer help on tissue? Domains between two sections, and spectral starts of layouts.

Domains: k-means on the spatial components of both sections; the indicator of each domain on the first section is carried to
the second by its aligned spectral basis (12 vectors of the spatial graph, signals = components), and, as the rival, by the
10 nearest spots in the components. Area under the curve against the domain on the second section, which k-means found there.
As the labels come from the components the rival has an advantage that it would not have with labels from elsewhere.

Shapes: ``transfer`` itself between the sections as ``Data`` graphs, with the components as signal, and with each spot's
components replaced by the mean of its domain, so that contours are the borders of domains. Read is whether a spot that was
written and the spot of the sample that was written there are of one domain; beside the same fragments at places drawn at random,
and beside the nearest spot in the components.

Starts: distances of true neighbours and of 32 landmarks with noise of 20 %; the same solver from landmark Isomap, from the two
lowest eigenvectors of the neighbour graph, and from random places.

python examples/benchmarks/tissue_transfer.py SECTION_1.h5ad SECTION_2.h5ad [--seeds 3]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch_geometric.data import Data

from pyg_gears.data import read_slide
from pyg_gears.graphs import symmetric_csr
from pyg_gears.layout.solve import solve_layout
from pyg_gears.seeds import random_stream
from pyg_gears.spectral import affinity_laplacian, align_bases, lowest_eigenvectors, node_functions, spectral_moments
from pyg_gears.transfer import Strategy, data_graph, fidelity, transfer

DOMAINS, COMPONENTS, K = 6, 5, 12


def components(files: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Places of both sections in spacings, and components smoothed over 7 spots, centred section by section."""
    slides = [read_slide(file) for file in files]
    genes = [gene for gene in slides[0].genes if all(gene in set(s.genes) for s in slides)]
    values, places = [], []
    for slide in slides:
        counts = slide.subset_genes(genes).counts
        dense = np.asarray(counts.todense() if hasattr(counts, "todense") else counts, dtype=np.float64)
        logs = np.log1p(1e4 * dense / dense.sum(axis=1, keepdims=True))
        near = NearestNeighbors(n_neighbors=7).fit(slide.pos)
        distance, index = near.kneighbors(slide.pos)
        values.append((logs - logs.mean(axis=0))[index].mean(axis=1))
        places.append(slide.pos / np.median(distance[:, 1]))
    scores = PCA(COMPONENTS, random_state=0).fit_transform(np.concatenate(values))
    return places, np.split(scores, [len(values[0])])


def basis(pos: np.ndarray, signal: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvectors of the section's spatial graph and the moments of its components."""
    index = NearestNeighbors(n_neighbors=7).fit(pos).kneighbors(pos)[1][:, 1:]
    edges = torch.stack([torch.from_numpy(index.ravel()), torch.arange(len(pos)).repeat_interleave(6)])
    x = torch.from_numpy(signal)
    step = (x[edges[0]] - x[edges[1]]).square().sum(dim=1).mean().sqrt()
    laplacian = affinity_laplacian(x, edges, bandwidth=float(step))
    phi = lowest_eigenvectors(laplacian, K).vectors
    none = torch.zeros(len(pos), dtype=torch.bool)
    functions = {
        n: f for n, f in node_functions(x, none, laplacian, torch.from_numpy(pos)).items() if "boundary" not in n
    }
    return phi * len(pos) ** 0.5, spectral_moments(phi, torch.stack(list(functions.values()), dim=1))


def domains(places: list[np.ndarray], scores: list[np.ndarray], seed: int) -> dict[str, float]:
    """Mean area under the curve over the domains."""
    label = KMeans(DOMAINS, n_init=4, random_state=seed).fit_predict(np.concatenate(scores))
    first, second = np.split(label, [len(scores[0])])
    (phi_s, moments_s), (phi_t, moments_t) = (basis(p, s) for p, s in zip(places, scores, strict=True))
    fit = align_bases(moments_s, moments_t)
    near = NearestNeighbors(n_neighbors=10).fit(scores[0]).kneighbors(scores[1])[1]
    found: dict[str, list[float]] = {"aligned": [], "raw": [], "components": []}
    for domain in np.unique(first):
        if not 0 < (second == domain).sum() < len(second):
            continue
        mask = torch.from_numpy((first == domain).astype(float))
        ways = {
            "aligned": (phi_t @ ((phi_s @ fit.rotation).T @ mask)).numpy(),
            "raw": (phi_t @ (phi_s.T @ mask)).numpy(),
            "components": mask.numpy()[near].mean(axis=1),
        }
        for name, value in ways.items():
            found[name].append(float(roc_auc_score(second == domain, value)))
    return {name: float(np.mean(values)) for name, values in found.items()} | {"rank": fit.rank}


def shapes(
    places: list[np.ndarray], scores: list[np.ndarray], seed: int, *, smooth: bool, what: str
) -> dict[str, float]:
    """Whether the shapes that ``transfer`` places lie in their own domain on the other section."""
    fit = KMeans(DOMAINS, n_init=4, random_state=seed).fit(np.concatenate(scores))
    first, second = np.split(fit.labels_, [len(scores[0])])
    signals = scores if smooth else [fit.cluster_centers_[label] for label in (first, second)]
    sample, target = (data_graph(data(p, s)) for p, s in zip(places, signals, strict=True))
    found = transfer(target, sample, Strategy(what=what, least=6))
    rng, ours, chance, nearest, written = random_stream(seed, "places"), [], [], [], []
    near = NearestNeighbors(n_neighbors=1).fit(scores[0]).kneighbors(scores[1])[1][:, 0]
    tree = NearestNeighbors(n_neighbors=1).fit(places[1])
    for _, fragment, _, buffer in found.fragments:
        nodes, carried = buffer.nodes.numpy(), first[fragment.nodes[buffer.origin].numpy()]
        ours.append(carried == second[nodes])
        nearest.append(first[near[nodes]] == second[nodes])
        written.append(nodes)
        for _ in range(50):
            shift = places[1][rng.integers(len(second))] - places[1][nodes].mean(axis=0)
            elsewhere = tree.kneighbors(places[1][nodes] + shift)[1][:, 0]
            chance.append(carried == second[elsewhere])
    kept = fidelity(found, target, sample)
    return {
        "fragments": len(found.fragments),
        "aligned": found.alignment.rank,
        "written": len(np.unique(np.concatenate(written))) / len(second) if written else 0.0,
        "own domain": float(np.concatenate(ours).mean()) if ours else float("nan"),
        "elsewhere": float(np.concatenate(chance).mean()) if chance else float("nan"),
        "nearest": float(np.concatenate(nearest).mean()) if nearest else float("nan"),
        "length kept": float(((kept.length - 1).abs() <= 0.05).double().mean()),
    }


def data(pos: np.ndarray, signal: np.ndarray) -> Data:
    """A section as a graph: six neighbours a spot."""
    index = NearestNeighbors(n_neighbors=7).fit(pos).kneighbors(pos)[1][:, 1:]
    edges = torch.stack([torch.from_numpy(index.ravel()), torch.arange(len(pos)).repeat_interleave(6)])
    return Data(x=torch.from_numpy(signal), pos=torch.from_numpy(pos), edge_index=edges)


def starts(pos: np.ndarray, seed: int) -> dict[str, str]:
    """Spearman of the layout's distances with the true ones and the last objective, by start."""
    rng = np.random.default_rng(seed)
    index = NearestNeighbors(n_neighbors=9).fit(pos).kneighbors(pos)[1][:, 1:]
    graph = symmetric_csr(torch.from_numpy(index)).tocoo()
    landmarks = rng.choice(len(pos), 32, replace=False)
    far = np.stack(np.meshgrid(landmarks, np.arange(len(pos))), axis=0).reshape(2, -1)
    pairs = np.unique(np.sort(np.concatenate([np.stack([graph.row, graph.col]), far], axis=1), axis=0), axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]].astype(np.int64)
    true = np.linalg.norm(pos[pairs[0]] - pos[pairs[1]], axis=1)
    distance = true * np.exp(0.2 * rng.standard_normal(len(true)))
    edges = torch.from_numpy(np.stack([graph.row, graph.col]).astype(np.int64))
    modes = lowest_eigenvectors(affinity_laplacian(torch.zeros(len(pos), 1), edges), 3).vectors[:, 1:].numpy()
    extent = np.sqrt(np.mean(true**2))
    spectral = modes / modes.std(axis=0) * extent / 2
    chosen = {"isomap": None, "spectral": spectral, "random": rng.standard_normal(pos.shape) * extent / 2}
    test = rng.integers(len(pos), size=(2, 20000))
    away = np.linalg.norm(pos[test[0]] - pos[test[1]], axis=1)
    result = {}
    for name, start in chosen.items():
        solved = solve_layout(len(pos), pairs, distance, 1 / np.maximum(distance, 1) ** 2, start=start)
        found = np.linalg.norm(solved.pos[test[0]] - solved.pos[test[1]], axis=1)
        stress = np.sqrt(np.mean(solved.residual**2))
        result[name] = (
            f"Spearman {spearmanr(found, away)[0]:.4f}, residual {stress:.3f}, rounds {len(solved.history) - 1}"
        )
    return result


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs=2)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    places, scores = components(arguments.sections)
    for seed in range(arguments.seeds):
        print(f"seed {seed}, domains (AUC):", domains(places, scores, seed), flush=True)
    for seed in range(arguments.seeds):
        for smooth in (True, False):
            for what in ("contours", "low_gate", "seeds"):
                found = shapes(places, scores, seed, smooth=smooth, what=what)
                text = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
                print(
                    f"seed {seed}, shapes ({'components' if smooth else 'domain means'}, what={what}): {text}",
                    flush=True,
                )
    for seed in range(arguments.seeds):
        for name, text in starts(places[1], seed).items():
            print(f"seed {seed}, start {name}: {text}", flush=True)


if __name__ == "__main__":
    main()
