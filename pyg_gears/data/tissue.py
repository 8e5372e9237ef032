"""The organisation of a synthetic tissue: its rule, its sections, and what a cell at a place expresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.sparse import csr_array, vstack
from scipy.spatial import cKDTree

TYPES = 6  # the last is spread evenly, like immune cells
_WAVES = 6
_CHUNK = 2048  # cells drawn at a time: bounds the memory


@dataclass(frozen=True)
class TissueRule:
    """What all sections of a tissue share."""

    tissue: str
    base: np.ndarray  # (g,) log expression
    markers: np.ndarray  # (types, g) log effect of a type
    programmes: np.ndarray  # (fields, g) log effect of a smooth field
    waves: np.ndarray  # (waves, 3) frequency along each axis and phase
    centres: np.ndarray  # (types - 1,) where along the pattern a type lives, 0..1
    width: float  # how far a type strays from there


@dataclass(frozen=True)
class TissueSection:
    """What one section draws for itself."""

    outline: np.ndarray  # (3, 2) amplitude and phase of the waves of the edge
    wave: np.ndarray  # (2, 2) amplitude and phase of the bending of each axis
    lobules: np.ndarray  # (m, 2) centres
    rotation: np.ndarray  # (2, 2) with or without mirror
    shift: np.ndarray  # (2,) micrometres
    batch: np.ndarray  # (g,) log factor


def draw_rule(tissue: str, genes: int, rng: Generator) -> TissueRule:
    """Draw genes, programmes and cell types of a tissue."""
    markers = np.zeros((TYPES, genes))
    own = rng.permutation(genes)[: max(genes * 2 // 5, TYPES)]  # two genes in five mark a type
    markers[np.arange(own.size) % TYPES, own] = rng.normal(1.2, 0.3, own.size)
    # Smooth waves across the tissue, the two axes, the pattern itself and its second harmonic. A gene follows a few.
    axes, pattern = {"lobules": ((0.1, 0.1), 0.5), "layers": ((0.2, 0.0), 0.4), "gradient": ((0.25, 0.1), 0.2)}[tissue]
    strength = np.array([0.3] * _WAVES + [*axes, pattern, pattern / 2])[:, None]
    active = rng.uniform(size=(len(strength), genes)) < 0.3
    programmes = rng.normal(size=active.shape) * active * strength
    angle = rng.uniform(0, 2 * np.pi, _WAVES)
    number = rng.uniform(2.0, 4.0, _WAVES)  # up to a wave and a quarter across the tissue
    waves = np.column_stack([number * np.cos(angle), number * np.sin(angle), rng.uniform(0, 2 * np.pi, _WAVES)])
    width = {"lobules": 0.12, "layers": 0.05, "gradient": 0.2}[tissue]
    centres = np.linspace(0.05, 0.95, TYPES - 1)
    return TissueRule(tissue, rng.normal(0, 1.0, genes), markers, programmes, waves, centres, width)


def draw_section(genes: int, batch: float, rng: Generator) -> TissueSection:
    """Draw the outline, pattern, pose and batch shift of one section."""
    outline = np.column_stack([rng.uniform(0, 0.08, 3), rng.uniform(0, 2 * np.pi, 3)])
    wave = np.column_stack([rng.uniform(0.03, 0.12, 2), rng.uniform(0, 2 * np.pi, 2)])
    grid = _hexagons(0.55, 2.0) + rng.uniform(-0.25, 0.25, 2)
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, sin], [-mirror * sin, mirror * cos]])
    lobules = grid + rng.normal(0, 0.08, grid.shape)
    return TissueSection(outline, wave, lobules, rotation, rng.uniform(0, 3000, 2), rng.normal(0, batch, genes))


def _hexagons(pitch: float, reach: float) -> np.ndarray:
    count = int(np.ceil(reach / pitch)) + 1
    i, j = np.meshgrid(np.arange(-2 * count, 2 * count + 1), np.arange(-2 * count, 2 * count + 1))
    points = pitch * np.column_stack([(i + 0.5 * j).ravel(), (np.sqrt(3) / 2 * j).ravel()])
    return points[np.abs(points).max(axis=1) <= reach]


def _edge_ratio(section: TissueSection, place: np.ndarray) -> np.ndarray:
    """Distance from the centre relative to the edge in that direction: below 1 inside."""
    x, y = place[:, 0] / 1.15, place[:, 1] * 1.15  # a little longer than wide
    angle = np.arctan2(y, x)
    amplitude, phase = section.outline.T
    waves = (amplitude * np.cos(np.arange(2, 5) * angle[:, None] + phase)).sum(axis=1)
    return np.hypot(x, y) / (1 + waves)


def lay_spots(section: TissueSection, spots: int, lattice: str, rng: Generator) -> np.ndarray:
    """Spots on a lattice that fills the outline, in section units (radius about 1), shape (spots, 2)."""
    if lattice == "hexagonal":
        points = _hexagons(float(np.sqrt(np.pi / (spots * np.sqrt(3) / 2))), 1.6)
    else:
        step = np.sqrt(np.pi / spots)
        line = np.arange(-np.ceil(1.6 / step), np.ceil(1.6 / step) + 1) * step
        points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    points = points + rng.uniform(-0.1, 0.1, 2)
    inmost = np.argsort(_edge_ratio(section, points), kind="stable")
    return points[np.sort(inmost[:spots])]


def scatter_cells(section: TissueSection, count: int, rng: Generator) -> np.ndarray:
    """Cells spread evenly inside the outline, in section units, shape (count, 2)."""
    place = np.empty((0, 2))
    while len(place) < count:
        trial = rng.uniform(-1.6, 1.6, (4 * count, 2))
        place = np.concatenate([place, trial[_edge_ratio(section, trial) < 1]])
    return place[:count]


def _fields(rule: TissueRule, section: TissueSection, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place along the pattern, 0..1, and the values of the smooth fields."""
    (a, p), (b, q) = section.wave
    u = place[:, 0] + a * np.sin(2 * place[:, 1] + p)
    v = place[:, 1] + b * np.sin(2 * place[:, 0] + q)
    if rule.tissue == "lobules":
        distance = np.asarray(cKDTree(section.lobules).query(place, k=2)[0])
        along = 2 * distance[:, 0] / np.maximum(distance.sum(axis=1), 1e-12)
    else:
        along = np.clip(((v if rule.tissue == "layers" else u) + 1.1) / 2.2, 0, 1)
    waves = np.sin(u[:, None] * rule.waves[:, 0] + v[:, None] * rule.waves[:, 1] + rule.waves[:, 2])
    return along, np.column_stack([waves, u, v, np.cos(np.pi * along), np.cos(2 * np.pi * along)])


def draw_types(rule: TissueRule, section: TissueSection, place: np.ndarray, rng: Generator) -> np.ndarray:
    """The type of a cell at each place, shape (n,), 0..5."""
    along, _ = _fields(rule, section, place)
    score = np.exp(-((along[:, None] - rule.centres) ** 2) / (2 * rule.width**2)) + 1e-6
    cumulative = np.cumsum(score, axis=1) / score.sum(axis=1, keepdims=True)
    # A uniform number can exceed the last sum, which rounds below 1.
    placed = np.minimum((rng.uniform(size=(len(place), 1)) > cumulative).sum(axis=1), TYPES - 2)
    return np.where(rng.uniform(size=len(place)) < 0.1, TYPES - 1, placed)


def express(
    rule: TissueRule,
    section: TissueSection,
    place: np.ndarray,
    kind: np.ndarray,
    depth: float,
    dispersion: float,
    rng: Generator,
) -> csr_array:
    """Negative binomial counts of cells of the given types at the given places, shape (n, g)."""
    _, fields = _fields(rule, section, place)
    rows = []
    for first in range(0, len(place), _CHUNK):
        part = slice(first, first + _CHUNK)
        log_mean = rule.base + rule.markers[kind[part]] + fields[part] @ rule.programmes
        mean = np.exp(log_mean - log_mean.max(axis=1, keepdims=True))
        mean *= depth * rng.lognormal(0, 0.3, (len(mean), 1)) / mean.sum(axis=1, keepdims=True)
        mean *= np.exp(section.batch)
        rows.append(csr_array(rng.poisson(rng.gamma(dispersion, mean / dispersion)).astype(np.float32)))
    return csr_array(vstack(rows, format="csr"))


def pose_section(section: TissueSection, place: np.ndarray, scale: float) -> np.ndarray:
    """Scale, turn, maybe mirror and shift section units into the slide's frame."""
    return scale * place @ section.rotation + section.shift
