from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, softplus
from torch_geometric import EdgeIndex

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.nn import AttentionBias, IPAConv

C, HEADS, WIDTH = 6, 3, 4
SIZES = [7, 1, 12, 4]
GEOS, FRAMES = ("none", "monotone", "rbf", "point"), ("free", "rotation")


def layer(dtype: torch.dtype = torch.float64, **options: object) -> IPAConv:
    """A layer away from its initial point."""
    torch.manual_seed(0)
    conv = IPAConv(C, heads=HEADS, head_channels=WIDTH, **options)
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    if conv.tau is not None:
        conv.tau.copy_(torch.tensor([0.6, 1.5, 3.0]))
    return conv.to(dtype)


def ragged(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Graphs of several sizes with a lone node, nodes that receive nothing, duplicate nodes and some self-loops."""
    generator = torch.Generator().manual_seed(1)
    n, edges, first = sum(SIZES), [], 0
    for size in SIZES:
        pairs = torch.tensor([(j, i) for j, i in itertools.product(range(size), repeat=2) if i != 2])
        keep = torch.rand(len(pairs), generator=generator) < 0.6
        edges.append(pairs[keep] + first)
        first += size
    edge_index = torch.cat(edges).T.contiguous()
    edge_index = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    s, pos = (torch.randn(n, c, generator=generator, dtype=torch.float64) for c in (C, 2))
    s[9], pos[9] = s[10], pos[10]
    batch = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    gate = torch.randn(edge_index.size(1), HEADS, generator=generator, dtype=torch.float64)
    return {
        "s": s.to(dtype), "pos": pos.to(dtype), "edge_index": edge_index, "gate_logits": gate.to(dtype), "batch": batch
    }  # fmt: skip


def oracle(
    conv: IPAConv,
    s: Tensor,
    pos: Tensor,
    edge_index: Tensor,
    gate_logits: Tensor | None,
    batch: Tensor,
    pair_bias: Tensor | None = None,
    step: float | None = None,
    use_qk: bool = True,
    use_geo: bool = True,
) -> tuple[Tensor, Tensor]:
    """The formula of the layer, node by node, head by head, edge by edge."""
    z = torch.nn.functional.layer_norm(s, (C,), conv.norm.weight, conv.norm.bias)
    *qk, v = (part.view(-1, HEADS, WIDTH) for part in (z @ conv.project.weight.T).split(HEADS * WIDTH, dim=1))
    new_s, new_pos = s.clone(), pos.clone()
    geo = None if conv.geometry is None or not use_geo else conv.geometry.mode

    def distance(i: int, j: int) -> Tensor:
        return (pos[i] - pos[j]).square().sum().clamp(min=1e-12).sqrt()

    def median(graph: int) -> float:
        found = sorted(float(distance(i, j)) for j, i in edge_index.T.tolist() if batch[i] == graph and i != j)
        return found[(len(found) - 1) // 2] if found else 1.0

    medians = [median(graph) for graph in range(int(batch.max()) + 1)]
    for i in range(s.size(0)):
        incoming = [e for e in range(edge_index.size(1)) if edge_index[1, e] == i]
        received, move = torch.zeros(HEADS, WIDTH, dtype=s.dtype), torch.zeros(2, dtype=s.dtype)
        for h in range(HEADS):
            logits = []
            for e in incoming:
                j = int(edge_index[0, e])
                logit = torch.zeros((), dtype=s.dtype)
                if conv.qk != "none" and use_qk:
                    left, right = qk[0][i, h], qk[1][j, h]
                    if conv.qk != "plain":
                        left, right = ((t - t.mean()) / (t.var(unbiased=False) + 1e-5).sqrt() for t in (left, right))
                    logit = left @ right
                    if conv.qk in ("plain", "divided"):
                        logit = logit / math.sqrt(WIDTH)
                    if conv.qk in ("divided", "published"):
                        logit = conv.tau[h] * logit
                    elif conv.qk == "learned":
                        logit = conv.log_tau.exp().clamp(*conv.tau_range) * logit
                    if conv.qk_clip is not None:
                        logit = logit.clamp(-conv.qk_clip, conv.qk_clip)
                if geo == "monotone":
                    logit = logit + (-softplus(conv.geometry.gamma[h]) * (pos[i] - pos[j]).square().sum()).clamp(-10, 0)
                elif geo == "rbf":
                    d = distance(i, j) / medians[batch[i]]
                    phi = torch.exp(-0.5 * ((d - torch.linspace(0, 2, 16, dtype=s.dtype)) / (2 / 15)).square())
                    logit = logit + (conv.geometry.weight[h] @ phi).clamp(-10, 10)
                elif geo == "point":
                    offset_i, offset_j = (conv.geometry.offsets(z[node]).view(2, HEADS, 2) for node in (i, j))
                    gap = (pos[i] + offset_i[0, h]) - (pos[j] + offset_j[1, h])
                    logit = logit + (-gap.square().sum() / softplus(conv.geometry.sigma[h]) ** 2).clamp(-10, 0)
                if gate_logits is not None:
                    logit = logit + conv.beta * (gate_logits[e, h] if gate_logits.dim() == 2 else gate_logits[e])
                if pair_bias is not None:
                    logit = logit + pair_bias[e, h]
                logits.append(logit)
            if not logits:
                continue
            weight = torch.stack(logits).exp()
            weight = weight / weight.sum()
            shift = torch.zeros(2, dtype=s.dtype)
            for a, e in zip(weight, incoming, strict=True):
                j = int(edge_index[0, e])
                received[h] += a * v[j, h]
                shift = shift + a * (pos[j] - pos[i])
            w = conv.frame_weight[h]
            if conv.frame == "free":
                move = move + w @ shift
            else:
                a, b = w[0, 0], w[1, 0]
                move = move + torch.stack([a * shift[0] - b * shift[1], b * shift[0] + a * shift[1]])
        new_pos[i] = pos[i] + (conv.step if step is None else step) * move
        hidden = gelu(conv.update_state[0](torch.cat([z[i], received.flatten()])))
        new_s[i] = s[i] + conv.update_state[3](hidden)
    return new_s, new_pos


@pytest.mark.parametrize("geo", GEOS)
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("qk", ["none", "plain", "divided", "published", "learned"])
@pytest.mark.parametrize("gate", ["none", "shared", "heads"])
def test_edge_list_dense_and_oracle_agree(geo: str, frame: str, qk: str, gate: str) -> None:
    given = ragged()
    given["gate_logits"] = {"none": None, "shared": given["gate_logits"][:, 0], "heads": given["gate_logits"]}[gate]
    options = {"geo": geo, "frame": frame, "qk": qk, "step": 0.7}
    with torch.no_grad():
        expected = oracle(layer(**options), **given)
        for layout in ("edge", "dense"):
            found = layer(layout=layout, **options)(**given)
            torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
            single = {k: v.float() if v is not None and v.is_floating_point() else v for k, v in given.items()}
            found = layer(torch.float32, layout=layout, **options)(**single)
            torch.testing.assert_close([t.double() for t in found], list(expected), atol=1e-5, rtol=1e-5)


def pair_bias() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(ragged()["edge_index"].size(1), HEADS, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("use_qk", [True, False])
@pytest.mark.parametrize("use_geo", [True, False])
@pytest.mark.parametrize("gate", ["none", "shared", "heads"])
@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_pair_bias_step_and_terms_left_out(layout: str, gate: str, use_qk: bool, use_geo: bool) -> None:
    given = {**ragged(), "pair_bias": pair_bias(), "use_qk": use_qk, "use_geo": use_geo}
    given["gate_logits"] = {"none": None, "shared": given["gate_logits"][:, 0], "heads": given["gate_logits"]}[gate]
    conv = layer(layout=layout, geo="rbf", qk="learned", tau=2.0, tau_range=(1.0, 10.0))
    with torch.no_grad():
        expected = oracle(conv, **given, step=0.3)
        for step in (0.3, torch.tensor(0.3, dtype=torch.float64)):
            torch.testing.assert_close(conv(**given, step=step), expected, atol=1e-10, rtol=1e-10)
        s, pos, terms = conv(**given, step=0.3, return_terms=True)
    torch.testing.assert_close((s, pos), expected, atol=1e-10, rtol=1e-10)
    assert torch.equal(terms.pair, given["pair_bias"])
    assert bool((terms.qk != 0).any()) == use_qk
    assert bool((terms.geo != 0).any()) == use_geo
    assert bool((terms.gate != 0).any()) == (gate != "none")


def test_without_any_term_all_incoming_edges_weigh_the_same() -> None:
    given = {**ragged(), "gate_logits": None, "use_qk": False, "use_geo": False}
    target = given["edge_index"][1]
    *_, terms = layer(geo="rbf")(**given, return_terms=True)
    share = (1 / target.bincount()[target])[:, None].expand(-1, HEADS)
    torch.testing.assert_close(terms.alpha, share.double())


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_the_clip_bounds_the_qk_term_and_stops_its_gradient(layout: str) -> None:
    given = ragged()
    conv = layer(layout=layout, qk="published", qk_clip=0.8)
    loose = layer(layout=layout, qk="published")
    with torch.no_grad():
        torch.testing.assert_close(conv(**given), oracle(conv, **given), atol=1e-10, rtol=1e-10)
        assert not torch.allclose(conv(**given)[1], loose(**given)[1])
        qk, clipped = (part(**given, return_terms=True)[2].qk for part in (loose, conv))
        assert qk.abs().max() > 0.8
        torch.testing.assert_close(clipped, qk.clamp(-0.8, 0.8))
    tight = layer(layout=layout, qk="published", qk_clip=1e-9)
    gradient = torch.autograd.grad(tight(**given)[1].square().sum(), tight.project.weight)[0]
    assert gradient[: 2 * HEADS * WIDTH].abs().max() < 1e-12
    gradient = torch.autograd.grad(conv(**given)[1].square().sum(), conv.project.weight)[0]
    assert gradient[: 2 * HEADS * WIDTH].abs().max() > 1e-6


@pytest.mark.parametrize("geo", GEOS)
@pytest.mark.parametrize(("qk", "clip"), [("none", None), ("plain", None), ("learned", 0.8)])
def test_gradients_of_both_layouts_agree(geo: str, qk: str, clip: float | None) -> None:
    gradients = []
    for layout in ("edge", "dense"):
        conv, given = layer(layout=layout, geo=geo, qk=qk, qk_clip=clip), {**ragged(), "pair_bias": pair_bias()}
        leaves = [given[name].requires_grad_() for name in ("s", "pos", "gate_logits", "pair_bias")]
        s, pos = conv(**given)
        generator = torch.Generator().manual_seed(2)
        weights = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in (s, pos)]
        total = (s * weights[0]).sum() + (pos * weights[1]).sum()
        gradients.append(torch.autograd.grad(total, [*leaves, *conv.parameters()]))
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("geo", GEOS)
def test_gradcheck(layout: str, geo: str) -> None:
    conv, given = layer(layout=layout, geo=geo, qk="learned", frame="rotation"), ragged()
    keep = given["batch"] == 3  # four nodes
    nodes = keep.nonzero().flatten()
    kept = keep[given["edge_index"][0]]
    edge_index = given["edge_index"][:, kept] - nodes[0]
    leaves = [given["s"][keep], given["pos"][keep], given["gate_logits"][kept]]

    def f(s: Tensor, pos: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        return conv(s, pos, edge_index, gate)

    assert torch.autograd.gradcheck(f, [leaf.clone().requires_grad_() for leaf in leaves], atol=1e-6)


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("geo", GEOS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batched_equals_unbatched(layout: str, geo: str, dtype: torch.dtype) -> None:
    conv, given = layer(dtype, layout=layout, geo=geo), ragged(dtype)
    together = conv(**given)
    for graph in range(len(SIZES)):
        keep = given["batch"] == graph
        kept = keep[given["edge_index"][0]]
        first = int(keep.nonzero()[0])
        alone = conv(
            given["s"][keep], given["pos"][keep], given["edge_index"][:, kept] - first, given["gate_logits"][kept]
        )
        torch.testing.assert_close(alone, tuple(t[keep] for t in together), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("geo", GEOS)
def test_permutation_equivariance(layout: str, geo: str) -> None:
    conv, given = layer(layout=layout, geo=geo), ragged()
    n = given["s"].size(0)
    # The dense layout needs nodes sorted by graph: permute within the graphs.
    order = (given["batch"] + torch.rand(n, generator=torch.Generator().manual_seed(3))).argsort()
    place = order.argsort()
    moved = conv(
        given["s"][order], given["pos"][order], place[given["edge_index"]], given["gate_logits"], given["batch"]
    )
    expected = conv(**given)
    torch.testing.assert_close(moved, tuple(t[order] for t in expected), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("geo", GEOS)
@pytest.mark.parametrize("frame", FRAMES)
def test_translation_rotation_mirror(layout: str, geo: str, frame: str) -> None:
    conv, given = layer(layout=layout, geo=geo, frame=frame), ragged()
    s, pos = conv(**given)
    shifted = conv(**{**given, "pos": given["pos"] + torch.tensor([3.0, -1.0], dtype=torch.float64)})
    torch.testing.assert_close(shifted[0], s, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(shifted[1] - torch.tensor([3.0, -1.0], dtype=torch.float64), pos, atol=1e-9, rtol=1e-9)

    def equivariant(turn: Tensor) -> bool:
        turned = conv(**{**given, "pos": given["pos"] @ turn})
        return torch.allclose(turned[0], s) and torch.allclose(turned[1], pos @ turn)

    cosine, sine = math.cos(0.7), math.sin(0.7)
    rotation = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    claimed = frame == "rotation" and geo != "point"
    assert equivariant(rotation) == claimed
    assert not equivariant(mirror)  # b_h J turns the other way round in the mirror
    if claimed:
        with torch.no_grad():
            conv.frame_weight[:, 1] = 0
        s, pos = conv(**given)
        assert equivariant(mirror)


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_a_new_layer_is_the_identity_and_can_learn(layout: str) -> None:
    given = ragged(torch.float32)
    conv = IPAConv(C, heads=HEADS, head_channels=WIDTH, layout=layout)
    s, pos = conv(**given)
    torch.testing.assert_close(s, given["s"])
    torch.testing.assert_close(pos, given["pos"])
    (pos.square().sum() + s.square().sum()).backward()
    assert conv.frame_weight.grad.abs().min() > 0
    assert conv.update_state[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_nodes_without_edges_stay_and_outside_edges_have_no_mass(layout: str) -> None:
    conv, given = layer(layout=layout), ragged()
    lonely = torch.ones(sum(SIZES), dtype=torch.bool)
    lonely[given["edge_index"][1]] = False
    assert lonely.any()
    _, pos = conv(**given)
    assert torch.equal(pos[lonely], given["pos"][lonely])
    # What a node does not receive from cannot change it.
    given2 = {**given, "s": given["s"].clone(), "pos": given["pos"].clone()}
    silent = 8
    reached = given["edge_index"][1][given["edge_index"][0] == silent].tolist()
    given2["s"][silent] += 5.0
    given2["pos"][silent] += 5.0
    untouched = [i for i in range(sum(SIZES)) if i != silent and i not in reached]
    _, moved = conv(**given2)
    assert torch.equal(moved[untouched], pos[untouched])


def test_no_edges_at_all() -> None:
    for layout in ("edge", "dense", "auto"):
        conv, pos = layer(layout=layout), torch.randn(3, 2, dtype=torch.float64)
        s, found = conv(torch.randn(3, C, dtype=torch.float64), pos, torch.empty(2, 0, dtype=torch.long))
        assert torch.equal(found, pos)
        assert torch.isfinite(s).all()


def test_repeated_edges_count_twice_in_the_edge_list_and_auto_takes_it() -> None:
    given = ragged()
    twice = torch.cat([given["edge_index"], given["edge_index"][:, :5]], dim=1)
    gate = torch.cat([given["gate_logits"], given["gate_logits"][:5]])
    with torch.no_grad():
        expected = oracle(layer(), given["s"], given["pos"], twice, gate, given["batch"])
        for layout in ("edge", "auto"):
            found = layer(layout=layout)(given["s"], given["pos"], twice, gate, given["batch"])
            torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    with pytest.raises(InputError, match="every edge once"):
        layer(layout="dense")(given["s"], given["pos"], twice, gate, given["batch"])


def test_geometry_can_be_left_out() -> None:
    given = ragged()
    without = layer(geo="none")
    conv = layer(geo="monotone")
    conv.load_state_dict(without.state_dict(), strict=False)
    torch.testing.assert_close(conv(**given, use_geo=False), without(**given))


@pytest.mark.parametrize("geo", GEOS)
def test_terms_are_the_logits(geo: str) -> None:
    conv, given = layer(geo=geo), ragged()
    s, pos, terms = conv(**given, return_terms=True)
    torch.testing.assert_close((s, pos), conv(**given), atol=1e-10, rtol=1e-10)
    assert not any(term.requires_grad for term in terms)
    torch.testing.assert_close(terms.gate, conv.beta * given["gate_logits"])
    logits = terms.qk + terms.geo + terms.gate + terms.pair
    assert (terms.pair == 0).all()
    for node in given["edge_index"][1].unique().tolist():
        incoming = given["edge_index"][1] == node
        torch.testing.assert_close(terms.alpha[incoming], logits[incoming].softmax(dim=0))
    assert (terms.geo == 0).all() == (geo == "none")
    _, _, bare = conv(given["s"], given["pos"], given["edge_index"], batch=given["batch"], return_terms=True)
    assert (bare.gate == 0).all()


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_a_shared_bias_equals_its_parts(layout: str) -> None:
    conv, given = layer(layout=layout), ragged()
    n, (s, pos, edge_index, gate, batch) = given["s"].size(0), given.values()
    bias = AttentionBias(edge_index, n, batch, gate, pair_bias(), conv.beta)
    found = conv(s, pos, edge_index, bias=bias)
    torch.testing.assert_close(found, conv(**given, pair_bias=pair_bias()), atol=0, rtol=0)
    # The bias's own weight counts, not the layer's.
    half = AttentionBias(edge_index, n, batch, 2 * gate, beta=conv.beta / 2)
    torch.testing.assert_close(conv(s, pos, edge_index, bias=half), conv(**given))


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_edges_that_are_not_kept_have_no_mass(layout: str) -> None:
    conv, given = layer(layout=layout), ragged()
    s, pos, edge_index, gate, batch = given.values()
    kept = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(6)) < 0.7
    for node in edge_index[1].unique().tolist():  # every node that receives something still does
        kept[(edge_index[1] == node).nonzero()[0]] = True
    for logits, kept_logits in ((gate, gate[kept]), (None, None)):
        bias = AttentionBias(edge_index, s.size(0), batch, logits, beta=conv.beta, kept=kept)
        expected = conv(s, pos, edge_index[:, kept], kept_logits, batch)
        torch.testing.assert_close(conv(s, pos, edge_index, bias=bias), expected, atol=1e-10, rtol=1e-10)
        *_, terms = conv(s, pos, edge_index, bias=bias, return_terms=True)
        assert (terms.alpha[~kept] == 0).all()


def test_accepts_edge_index() -> None:
    x = torch.randn(20, C, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    edge_index, pos = candidate_graph(x, 4), x[:, :2]
    wrapped = EdgeIndex(edge_index, sparse_size=(20, 20), sort_order="col")
    for layout in ("edge", "dense"):
        conv = layer(layout=layout)
        found = conv(x, pos, wrapped)
        assert type(found[0]) is Tensor
        torch.testing.assert_close(found, conv(x, pos, edge_index), atol=0, rtol=0)


def test_dropout_acts_in_training_only() -> None:
    conv, given = layer(dropout=0.5), ragged()
    assert not torch.equal(conv(**given)[0], conv(**given)[0])
    conv.eval()
    assert torch.equal(conv(**given)[0], conv(**given)[0])


def test_temperatures() -> None:
    assert IPAConv(C).temperature is None
    assert IPAConv(C, qk="none").temperature is None
    assert IPAConv(C, heads=2, qk="published").temperature.tolist() == [1.0, 1.0]
    learned = IPAConv(C, heads=2, head_channels=16, qk="learned")
    assert sum(p.numel() for p in learned.parameters()) - sum(
        p.numel() for p in IPAConv(C, heads=2, head_channels=16).parameters()
    ) == 1  # fmt: skip
    assert learned.temperature.item() == pytest.approx(4.0)
    for raw, expected in ((-9.0, 0.5), (9.0, 10.0)):
        torch.nn.init.constant_(learned.log_tau, raw)
        assert learned.temperature.item() == pytest.approx(expected)
    narrow = IPAConv(C, qk="learned", tau=2.0, tau_range=(1.0, 10.0))
    assert narrow.temperature.item() == pytest.approx(2.0)


def test_the_published_scale_is_the_divided_one_times_the_root_of_the_width() -> None:
    given = ragged()
    qk = {scale: layer(qk=scale)(**given, return_terms=True)[2].qk for scale in ("divided", "published")}
    torch.testing.assert_close(qk["published"], math.sqrt(WIDTH) * qk["divided"])


@pytest.mark.parametrize("geo", GEOS)
@pytest.mark.parametrize("qk", ["none", "published", "learned"])
def test_reset_parameters(geo: str, qk: str) -> None:
    conv = layer(geo=geo, qk=qk)
    before = {name: value.clone() for name, value in conv.state_dict().items()}
    conv.reset_parameters()
    assert not [name for name, value in conv.state_dict().items() if torch.equal(value, before[name])]
    new = IPAConv(C, heads=HEADS, head_channels=WIDTH, geo=geo, qk=qk).state_dict()
    for name, value in conv.state_dict().items():
        if value.unique().numel() == 1:  # a constant start
            torch.testing.assert_close(value, new[name], check_dtype=False)
    _, pos = conv(**ragged())
    torch.testing.assert_close(pos, ragged()["pos"])


def test_bad_input() -> None:
    for options, text in (
        ({"layout": "sparse"}, "expected layout among auto, edge, dense, found 'sparse'"),
        ({"geo": "far"}, "expected geo among none, monotone, rbf, point, found 'far'"),
        ({"frame": "fixed"}, "expected frame among free, rotation, found 'fixed'"),
        ({"qk": "cosine"}, "expected qk among none, plain, divided, published, learned, found 'cosine'"),
        ({"tau": 2.0}, "expected no tau with qk='plain', found 2.0"),
        ({"tau_range": (1.0, 2.0)}, r"expected no tau_range with qk='plain', found \(1\.0, 2\.0\)"),
        ({"qk": "published", "tau": 5.0}, r"expected tau in \[0.5, 4\], found 5"),
        (
            {"qk": "learned", "tau_range": (2.0, 20.0)},
            r"0 < lowest <= highest <= 10 in tau_range, found \(2\.0, 20\.0\)",
        ),
        ({"qk": "learned", "tau_range": (1.0, 10.0), "tau": 0.5}, r"expected tau in \[1, 10\], found 0\.5"),
        ({"qk": "none", "qk_clip": 1.0}, "expected qk_clip above 0 and q.k in the logits, found 1.0 with qk='none'"),
    ):
        with pytest.raises(InputError, match=text):
            IPAConv(C, **options)
    given = ragged()
    edges, batch = given["edge_index"], given["batch"]
    with pytest.raises(
        InputError, match=r"gate logits for the \d+ edges of the graph in use, found \d+: .*another support"
    ):
        layer()(given["s"], given["pos"], edges, given["gate_logits"][:-1], batch)
    with pytest.raises(InputError, match=r"gate logits of shape \(\d+,\) or \(\d+, 3\), found \(\d+, 2\)"):
        layer()(given["s"], given["pos"], edges, given["gate_logits"][:, :2], batch)
    with pytest.raises(InputError, match=r"a pair bias for the \d+ edges"):
        layer()(**ragged(), pair_bias=pair_bias()[:-1])
    with pytest.raises(InputError, match=r"a pair bias of shape \(\d+, 3\), found \(\d+, 1\)"):
        layer()(**ragged(), pair_bias=pair_bias()[:, :1])
    bias = AttentionBias(edges, given["s"].size(0), batch)
    with pytest.raises(InputError, match="inside bias, found them beside it"):
        layer()(**given, bias=bias)
    with pytest.raises(InputError, match=r"a bias of the \d+ nodes and \d+ edges given, found one of \d+ and \d+"):
        layer()(given["s"], given["pos"], edges[:, :-1], bias=bias)
    assert repr(layer()) == "IPAConv(6, heads=3, head_channels=4, layout='auto')"
