"""Random calls of layers, models, losses and transforms: the right result, or one sentence that says why not.

A seed is one call. Sizes, edges, values and types are drawn from what users hold; some calls are made wrong on purpose.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data, HeteroData

from pyg_gears import losses
from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPAR, GateEGNN, IPALite, TopoIPAR
from pyg_gears.nn import EdgeGate, EGNNConv, GateFormer, GeometryBias, IPAConv, PairBias
from pyg_gears.targets import multiscale_stress_target, random_walk_target
from pyg_gears.transforms import CandidateGraph, GeometricTargets

KIND = "layers"
CHANNELS = 4
MODES = ("none", "monotone", "rbf", "point")
SCALES = (1.0, 1.0, 1.0, 0.0, 1e-30, 1e-6, 1e3, 1e8, 1e18, 1e30)
LOSSES = {
    "random_walk_kl": losses.random_walk_kl,
    "log_stress": losses.log_stress,
    "linear_stress": losses.linear_stress,
    "ratio_stress": losses.ratio_stress,
    "local_stress": losses.local_stress,
    "walk_entropy": losses.walk_entropy,
    "geometric_energy": losses.geometric_energy,
    "repulsion": lambda pos, batch: losses.repulsion(pos, batch, torch.Generator().manual_seed(0), pairs=8),
    "distill_walk": lambda pos, batch: losses.distill_walk(pos, pos.flip(0), batch),
    "distill_distances": lambda pos, batch: losses.distill_distances(pos, pos.flip(0), batch),
}
GATE_LOSSES = {
    "gate_kl": losses.gate_kl,
    "gate_trust": lambda logits, batch: losses.gate_trust(logits, logits.flip(0), batch),
    "gate_ranking": lambda logits, batch: losses.gate_ranking(logits, batch, torch.Generator().manual_seed(0)),
}


@dataclass
class Case:
    """One call: what it is, how to make it, and what its results must look like.

    ``sound`` says that nothing is wrong with the input, so that a refusal would be a fault.
    """

    name: str
    call: Callable[[], tuple[Tensor, ...]]
    shapes: list[tuple[int, ...]] | None
    sound: bool
    leaves: list[Tensor]
    twin: Callable[[], tuple[Tensor, ...]] | None = None


def describe(seed: int) -> str:
    """The call of this seed in words."""
    return _case(seed).name


def attempt(seed: int) -> str | None:
    """Make the call of this seed: None if it held, otherwise what went wrong."""
    case = _case(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sparse tensors announce themselves
            results = case.call()
    except InputError as error:
        return f"{case.name}: sound input was refused: {error}" if case.sound else None
    except Exception as error:
        return f"{case.name}: {type(error).__name__}: {error}"
    shapes = [tuple(part.shape) for part in results]
    if case.shapes is not None and shapes != case.shapes:
        return f"{case.name}: results of shape {shapes}, expected {case.shapes}"
    if not all(bool(torch.isfinite(part).all()) for part in results):
        return f"{case.name}: results that are not finite"
    if case.twin is not None:
        for found, other in zip(results, case.twin(), strict=True):
            if not torch.allclose(found, other, atol=1e-6, rtol=1e-4):
                return f"{case.name}: the edge layout differs by {float((found - other).detach().abs().max()):.2e}"
    if not case.sound or not case.leaves:
        return None
    parts = (part.double() if part.dim() == 0 else part.double().square().sum() for part in results)
    total = sum(parts, torch.zeros((), dtype=torch.float64))
    if total.requires_grad:
        gradients = torch.autograd.grad(total, case.leaves, allow_unused=True)
        if not all(part is None or bool(torch.isfinite(part).all()) for part in gradients):
            return f"{case.name}: gradients that are not finite"
    return None


def _case(seed: int) -> Case:
    draw = random.Random(seed)
    torch_draw = torch.Generator().manual_seed(seed)
    kind = draw.choice(
        ("gate", "gate", "ipa", "ipa", "ipa", "egnn", "geometry", "model", "model", "loss", "loss", "transform")
    )
    with torch.random.fork_rng([]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sparse tensors announce themselves
        torch.manual_seed(seed)
        build = {"loss": _loss, "transform": _transform}.get(kind)
        return build(draw, torch_draw) if build else _layer(kind, draw, torch_draw)


def _layer(kind: str, draw: random.Random, torch_draw: torch.Generator) -> Case:
    sizes = [draw.choice((0, 1, 2, 3, 7, 12)) for _ in range(draw.randint(1, 4))]
    n, batch = sum(sizes), torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    edges, edge_kind = _edges(n, batch, draw, torch_draw)
    dtype, scale = (
        draw.choice((torch.float32,) * 3 + (torch.float64, torch.float16, torch.bfloat16)),
        draw.choice(SCALES),
    )
    sound = scale <= 1e3 and dtype in (torch.float32, torch.float64)
    x, pos = _values(n, CHANNELS, scale, dtype, torch_draw), _values(n, 2, draw.choice((1.0, scale)), dtype, torch_draw)
    given: Any = edges
    wrong = draw.choice(WRONG) if draw.random() < 0.3 else None
    if wrong is None:
        given, form = _form(edges, n, draw)
    else:
        form = f"wrong: {wrong}"
    fault = {"edges": given, "x": x, "pos": pos, "batch": batch}
    if wrong is not None:
        fault.update(_spoil(wrong, edges, x, pos, batch))
        sound = False
    if form == "sparse":
        edges = edges.unique(dim=1)
        edges = edges[:, (edges[1] * max(n, 1) + edges[0]).argsort()]
    e = edges.size(1)
    leaves = [part for part in (fault["x"], fault["pos"]) if isinstance(part, Tensor) and part.is_floating_point()]
    leaves = [part.requires_grad_() for part in leaves if part.is_leaf]
    name = f"n={sizes} edges={edge_kind}/{form} dtype={dtype} scale={scale:g}"
    if kind == "gate":
        heads = draw.choice((None, 2))
        which = draw.choice(("EdgeGate", "PairBias", "GateFormer"))
        layer = {
            "EdgeGate": lambda: EdgeGate(CHANNELS, 8, heads=heads),
            "PairBias": lambda: PairBias(CHANNELS, heads or 1, 4, 8),
            "GateFormer": lambda: GateFormer(CHANNELS, 8, heads=2, layers=draw.choice((1, 2))),
        }[which]()
        layer = _random_weights(layer, dtype)
        shape = (e,) if which == "GateFormer" or (which == "EdgeGate" and heads is None) else (e, heads or 1)
        more = () if which == "PairBias" or draw.random() < 0.3 else (fault["batch"],)
        return Case(f"{layer} {name}", lambda: (layer(fault["x"], fault["edges"], *more),), [shape], sound, leaves)
    if kind == "egnn":
        egnn = _random_weights(EGNNConv(CHANNELS, 8), dtype)
        weight = draw.choice((None, torch.rand(e, generator=torch_draw).to(dtype)))
        call = lambda: egnn(fault["x"], fault["pos"], fault["edges"], weight)  # noqa: E731
        return Case(f"{egnn} {name}", call, [(n, CHANNELS), (n, 2)], sound, leaves)
    if kind == "geometry":
        mode = draw.choice(MODES[1:])
        bias = _random_weights(GeometryBias(mode, CHANNELS, 2), dtype)
        call = lambda: (bias(fault["x"], fault["pos"], fault["edges"], fault["batch"]),)  # noqa: E731
        return Case(f"GeometryBias({mode}) {name}", call, [(e, 2)], sound, leaves)
    if kind == "model":
        return _model(name, fault, n, e, dtype, scale, sound, draw)
    gate, gate_kind = _gate(e, dtype, draw, torch_draw)
    layout = draw.choice(("auto", "edge", "dense"))
    options = {
        "geo": draw.choice(MODES),
        "qk": draw.choice(("none", "plain", "divided", "published", "learned")),
        "frame": draw.choice(("free", "rotation")),
        "beta": draw.choice((0.0, 2.0, -1.0)),
    }
    conv = _random_weights(IPAConv(CHANNELS, heads=2, head_channels=4, layout=layout, **options), dtype)
    sound = sound and layout != "dense" and gate_kind != "nan"
    twin = None
    if sound and layout == "auto" and dtype == torch.float64 and scale <= 1:
        by_edge = IPAConv(CHANNELS, heads=2, head_channels=4, layout="edge", **options).to(dtype)
        by_edge.load_state_dict(conv.state_dict())
        twin = lambda: by_edge(fault["x"], fault["pos"], fault["edges"], gate, fault["batch"])  # noqa: E731
    call = lambda: conv(fault["x"], fault["pos"], fault["edges"], gate, fault["batch"])  # noqa: E731
    return Case(f"{conv} {options} gate={gate_kind} {name}", call, [(n, CHANNELS), (n, 2)], sound, leaves, twin)


def _model(
    name: str, fault: dict[str, Any], n: int, e: int, dtype: torch.dtype, scale: float, sound: bool, draw: random.Random
) -> Case:
    small: dict[str, Any] = {"hidden_channels": 8, "heads": 2, "head_channels": 4, "recycles": 2}
    which = draw.choice(("v1", "pair", "hard", "smooth", "ipar", "topo", "egnn"))
    model = {
        "v1": lambda: IPALite(CHANNELS, geo=draw.choice(MODES), **small),
        "pair": lambda: IPALite(CHANNELS, pair=True, **small),
        "hard": lambda: IPALite(CHANNELS, attention="hard_gate", **small),
        "smooth": lambda: IPALite(CHANNELS, attention="smoothing_after_first", **small),
        "ipar": lambda: IPAR(CHANNELS, **small),
        "topo": lambda: TopoIPAR(CHANNELS, geo_from=1, gate=GateFormer(CHANNELS, 8, heads=2), **small),
        "egnn": lambda: GateEGNN(CHANNELS, 8, steps=2),
    }[which]()
    model = _random_weights(model, dtype)
    data = Data(x=fault["x"], edge_index=fault["edges"], batch=fault["batch"])

    def call() -> tuple[Tensor, ...]:
        output = model(data, noise=0.0)
        return output.pos, output.gate_logits

    leaves = [fault["x"]] if isinstance(fault["x"], Tensor) and fault["x"].requires_grad else []
    # Coordinates that (nearly) coincide have no gauge whose gradient a float could hold.
    leaves = leaves if scale == 1.0 else []
    return Case(f"{which} {name}", call, [(n, 2), (e,)], sound, leaves)


def _loss(draw: random.Random, torch_draw: torch.Generator) -> Case:
    graphs = []
    for _ in range(draw.randint(1, 3)):
        m = draw.choice((0, 1, 2, 3, 8, 20))
        place = torch.rand(m, 2, generator=torch_draw, dtype=draw.choice((torch.float32, torch.float64)))
        place = place * 0 if draw.random() < 0.1 else place
        walk, stress = random_walk_target(place), multiscale_stress_target(place)
        x = torch.randn(m, CHANNELS, generator=torch_draw)
        graph = Data(x=x, edge_index=candidate_graph(x, 4))
        graph.rw_edge_index, graph.rw_multiplicity, graph.rw_log_ref = walk.edge_index, walk.multiplicity, walk.log_ref
        graph.rw_steps, graph.sigma = torch.tensor([walk.steps]), walk.sigma
        graph.stress_edge_index, graph.stress_distance = stress
        graph.gate_target = torch.rand(graph.edge_index.size(1), generator=torch_draw)
        graphs.append(graph)
    batch = Batch.from_data_list(graphs)
    n, e = int(batch.num_nodes), batch.edge_index.size(1)
    wrong = draw.choice(("nodes", "targets", "outside")) if draw.random() < 0.25 else None
    dtype, scale = draw.choice((torch.float32, torch.float64, torch.float16, torch.bfloat16)), draw.choice(SCALES)
    name = f"nodes={[graph.num_nodes for graph in graphs]} dtype={dtype} scale={scale:g} wrong={wrong}"
    if draw.random() < 0.3:
        which = draw.choice(tuple(GATE_LOSSES))
        logits, kind = _gate(e + (wrong == "nodes"), dtype, draw, torch_draw)
        logits = torch.zeros(e, dtype=dtype) if logits is None or kind == "nan" else logits
        if wrong == "targets":
            del batch.edge_index
        if wrong == "outside":
            batch.edge_index = batch.edge_index + n
        leaves = [logits.requires_grad_()]
        return Case(
            f"{which} {name} gate={kind}", lambda: (GATE_LOSSES[which](logits, batch),), [()], wrong is None, leaves
        )
    which = draw.choice(tuple(LOSSES))
    pos = _values(n + (wrong == "nodes"), 2, scale, dtype, torch_draw)
    if wrong == "targets":
        del batch.rw_edge_index, batch.stress_edge_index
    if wrong == "outside":
        batch.rw_edge_index, batch.stress_edge_index = batch.rw_edge_index + n, batch.stress_edge_index + n
    sound = wrong is None and scale <= 1e8
    # The gradient has the type of the coordinates, which in half precision does not hold that of near coincidence.
    leaves = [pos.requires_grad_()] if dtype in (torch.float32, torch.float64) else []
    return Case(f"{which} {name}", lambda: (LOSSES[which](pos, batch),), [()], sound, leaves)


def _transform(draw: random.Random, torch_draw: torch.Generator) -> Case:
    transform: Any = draw.choice((CandidateGraph(draw.choice((1, 5))), GeometricTargets(draw.choice((None, 3)))))
    graphs = []
    for _ in range(draw.randint(1, 3)):
        m, scale = draw.choice((0, 1, 2, 3, 9)), draw.choice(SCALES)
        dtype = draw.choice((torch.float32, torch.float64, torch.float16))
        graphs.append(Data(x=torch.randn(m, 3, generator=torch_draw, dtype=dtype) * scale))
        graphs[-1].pos = torch.rand(m, 2, generator=torch_draw, dtype=dtype) * scale
    wrong = draw.choice(("hetero", "flat", "integer", "nan", "none", "vector", None, None, None))
    data: Any = Batch.from_data_list(graphs) if draw.random() < 0.5 else graphs[0]
    field = "x" if isinstance(transform, CandidateGraph) else "pos"
    if wrong == "hetero":
        data = HeteroData()
        data["cell"].x = graphs[0].x
    elif wrong == "vector":
        data = Data(**{field: data[field]}, batch=torch.arange(data[field].size(0)))
    elif wrong is not None:
        value = data[field]
        data[field] = {"flat": value.flatten(), "integer": value.int(), "nan": value * torch.nan, "none": None}[wrong]
    name = f"{transform} on {data} wrong={wrong}"

    def call() -> tuple[Tensor, ...]:
        done = transform(data)
        graph = done.batch if "batch" in done else torch.zeros(int(done.num_nodes), dtype=torch.long)
        edges = [value for key, value in done.to_dict().items() if key.endswith("edge_index")]
        assert all(bool((graph[each[0]] == graph[each[1]]).all()) for each in edges), "an edge joins two graphs"
        return tuple(value.float() for value in done.to_dict().values() if isinstance(value, Tensor))

    return Case(name, call, None, False, [])


WRONG = (
    "transposed",
    "dense",
    "float",
    "outside",
    "negative",
    "missing",
    "flat",
    "channels",
    "mixed",
    "pair",
    "integer",
)


def _spoil(wrong: str, edges: Tensor, x: Tensor, pos: Tensor, batch: Tensor) -> dict[str, Any]:
    """The arguments that replace sound ones."""
    n = x.size(0)
    outside = torch.cat([edges, torch.tensor([[n], [0]])], dim=1)
    return {
        "transposed": lambda: {"edges": torch.cat([edges, edges, edges], dim=1).t()[:, [0, 1]].reshape(-1, 2)},
        "dense": lambda: {"edges": torch.ones(n + 3, n + 3)},
        "float": lambda: {"edges": edges.float()},
        "outside": lambda: {"edges": outside},
        "negative": lambda: {"edges": outside - n - 1},
        "missing": lambda: {"edges": None},
        "flat": lambda: {"x": x.flatten()},
        "channels": lambda: {"x": torch.cat([x, x], dim=1)},
        "mixed": lambda: {"x": x.to(torch.float32 if x.dtype == torch.float64 else torch.float64)},
        "pair": lambda: {"x": (x, x[:1])},
        "integer": lambda: {"x": x.nan_to_num().clamp(-9, 9).long()},
    }[wrong]()


def _values(n: int, channels: int, scale: float, dtype: torch.dtype, torch_draw: torch.Generator) -> Tensor:
    """Normal values of this scale, as far as the type reaches."""
    largest = torch.finfo(dtype).max
    drawn = torch.randn(n, channels, generator=torch_draw, dtype=torch.float64) * scale
    return drawn.clamp(-largest, largest).to(dtype)


def _edges(n: int, batch: Tensor, draw: random.Random, torch_draw: torch.Generator) -> tuple[Tensor, str]:
    """Edges within graphs."""
    kind = draw.choice(("none", "loops", "random", "all", "some"))
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T.reshape(2, -1)
    pairs = pairs[:, batch[pairs[0]] == batch[pairs[1]]]
    if kind == "none" or n == 0:
        return pairs[:, :0], kind
    if kind == "loops":
        return torch.arange(n).expand(2, -1).contiguous(), kind
    if kind == "random":  # with repeats, in any order
        return pairs[:, torch.randint(pairs.size(1), (3 * n,), generator=torch_draw)], kind
    return (pairs if kind == "all" else pairs[:, torch.rand(pairs.size(1), generator=torch_draw) < 0.3]), kind


def _form(edges: Tensor, n: int, draw: random.Random) -> tuple[Any, str]:
    """The same edges as a PyG user may hold them."""
    form = draw.choice(("long", "long", "int", "EdgeIndex", "sparse"))
    if form == "int":
        return edges.int(), form
    if form == "EdgeIndex":
        return EdgeIndex(edges, sparse_size=(n, n)), form
    if form == "sparse" and n and edges.numel():
        unique = edges.unique(dim=1)  # transposed: rows are targets
        return torch.sparse_coo_tensor(unique.flip(0), torch.ones(unique.size(1)), (n, n)).coalesce(), form
    return edges, "long"


def _gate(e: int, dtype: torch.dtype, draw: random.Random, torch_draw: torch.Generator) -> tuple[Tensor | None, str]:
    kind = draw.choice(("none", "plain", "heads", "masked", "all masked", "masked heads", "infinite", "huge", "nan"))
    if kind == "none":
        return None, kind
    gate = torch.randn((e, 2) if "heads" in kind else (e,), generator=torch_draw).to(dtype)
    if "masked" in kind:
        share = 1.0 if kind == "all masked" else 0.5
        gate = gate.masked_fill(torch.rand(gate.shape, generator=torch_draw) < share, -torch.inf)
    if kind == "infinite":
        gate = gate.masked_fill(torch.rand(gate.shape, generator=torch_draw) < 0.3, torch.inf)
    return gate * 1e4 if kind == "huge" else gate * torch.nan if kind == "nan" else gate, kind


def _random_weights(module: Any, dtype: torch.dtype) -> Any:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.to(dtype).eval()
