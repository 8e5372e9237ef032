"""The benchmarks' rule of comparison, their JSON, and the table of their history; nothing here measures time."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.utils import degree, is_undirected

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def load(monkeypatch):
    """Import a program of the benchmarks, or of the docs' extensions, as a run of it would."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "extensions"))
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "benchmarks"))
    yield importlib.import_module
    for name in {"paired", "history", "bench", "layers", "training_step", "benchmark_history"} - before:
        sys.modules.pop(name, None)


def test_a_ratio_that_is_worse_by_more_than_a_quarter_is_a_regression(load) -> None:
    history = load("history")
    last = {"slow": 1.0, "limit": 2.0, "fast": 1.0, "gone": 3.0}
    now = {"slow": 1.26, "limit": 2.5, "fast": 0.1, "new": 99.0}
    assert history.regressions(now, last) == ["slow"]
    assert history.regressions(now, {}) == []
    verdicts = {line.split()[0]: line.split()[-1] for line in history.comparison(now, last).splitlines()[1:]}
    assert verdicts == {"slow": "WORSE", "limit": "2.500", "fast": "0.100", "new": "new", "gone": "gone"}


def test_the_history_grows_by_a_line(load, tmp_path) -> None:
    history = load("history")
    file = tmp_path / "benchmarks" / "HISTORY.jsonl"
    assert history.read_history(file) == []
    for number in range(2):
        history.append_entry(file, {"date": f"2026-01-0{number + 1}", "ratios": {"a": number + 0.5}})
    assert len(file.read_text().splitlines()) == 2
    assert [entry["ratios"]["a"] for entry in history.read_history(file)] == [0.5, 1.5]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def run_bench(load, monkeypatch, file: Path, measured: list[dict[str, float]]) -> int:
    """Run the program with what its one benchmark is to measure; gives how often it was run."""
    bench = load("bench")
    waiting = list(measured)
    monkeypatch.setattr(bench, "PROGRAMS", (("a.py",),))
    monkeypatch.setattr(bench, "measure", lambda program: waiting.pop(0))
    monkeypatch.setattr(sys, "argv", ["bench.py", "--history", str(file)])
    bench.main()
    return len(measured) - len(waiting)


def test_bench_adds_what_is_no_worse_and_measures_twice_what_looks_worse(load, monkeypatch, tmp_path) -> None:
    file = tmp_path / "HISTORY.jsonl"
    assert run_bench(load, monkeypatch, file, [{"a": 1.0, "b": 1.0}]) == 1
    assert run_bench(load, monkeypatch, file, [{"a": 1.2, "b": 0.9}]) == 1
    assert run_bench(load, monkeypatch, file, [{"a": 2.0, "b": 0.8}, {"a": 1.3, "b": 0.9}]) == 2
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry["ratios"] for entry in entries] == [{"a": 1.0, "b": 1.0}, {"a": 1.2, "b": 0.9}, {"a": 1.3, "b": 0.8}]
    assert set(entries[0]) == {"date", "version", "torch", "torch_geometric", "python", "processor", "ratios"}


def test_bench_fails_on_a_regression_and_leaves_the_history(load, monkeypatch, tmp_path) -> None:
    file = tmp_path / "HISTORY.jsonl"
    run_bench(load, monkeypatch, file, [{"a": 1.0, "b": 1.0}])
    before = file.read_bytes()
    with pytest.raises(SystemExit, match="1 ratios are worse than the last ones by more than 25%; nothing was added"):
        run_bench(load, monkeypatch, file, [{"a": 1.0, "b": 1.3}] * 2)
    assert file.read_bytes() == before


def test_bench_compares_with_the_last_entry_of_its_processor(load, monkeypatch, tmp_path) -> None:
    history, file = load("history"), tmp_path / "HISTORY.jsonl"
    here = history.processor_name()
    for processor, value in ((here, 5.0), (here, 2.0), ("another", 1.0), (None, 1.0)):
        history.append_entry(file, {"processor": processor, "ratios": {"a": value}})
    assert run_bench(load, monkeypatch, file, [{"a": 2.4}]) == 1
    with pytest.raises(SystemExit, match="1 ratios are worse"):
        run_bench(load, monkeypatch, file, [{"a": 3.1}] * 2)
    assert history.last_of(history.read_history(file), "a third") == {}


def test_a_processor_is_named_with_family_and_model(load) -> None:
    history = load("history")
    cores = "processor\t: {}\ncpu family\t: 6\nmodel\t\t: {}\nmodel name\t: Some CPU\n\n"
    assert history.processor_name(cores.format(0, 207) + cores.format(1, 143)) == "Some CPU, family 6 model 207"
    assert history.processor_name("Processor without fields") != ""
    assert history.processor_name() == history.processor_name()


def test_the_last_entry_is_of_the_programs_that_bench_runs(load) -> None:
    """Every line of the kept history can be read, and compared with what comes next."""
    entries = load("history").read_history(ROOT / "docs" / "benchmarks" / "HISTORY.jsonl")
    assert entries
    for entry in entries:
        assert entry["ratios"]
        assert all(value > 0 for value in entry["ratios"].values())
    for program in load("bench").PROGRAMS:
        assert (ROOT / "examples" / "benchmarks" / program[0]).exists()


def test_ratios_are_medians_of_the_rounds(load, tmp_path) -> None:
    paired = load("paired")
    assert paired.ratio({"a": [1.0, 40.0, 3.0], "b": [2.0, 10.0, 2.0]}, "a", "b") == 1.5
    calls: list[str] = []
    seconds = paired.alternate({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2)
    assert "".join(calls) == "ababab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}
    file = tmp_path / "ratios.json"
    paired.write_ratios(str(file), {"a / b": 1.23456})
    assert json.loads(file.read_text()) == {"ratios": {"a / b": 1.2346}}


def test_the_graph_of_the_layers_is_symmetric_and_of_one_degree(load) -> None:
    _, _, edge_index = load("layers").make_graph(50, 6)
    assert is_undirected(edge_index)
    assert degree(edge_index[1], 50).eq(6).all()
    assert edge_index.unique(dim=1).size(1) == 300
    assert (edge_index[0] != edge_index[1]).all()


def test_the_layers_give_a_row_each(load, monkeypatch, tmp_path, capsys) -> None:
    layers = load("layers")
    file, threads = tmp_path / "ratios.json", torch.get_num_threads()
    monkeypatch.setattr(
        sys,
        "argv",
        ["layers.py", "--nodes", "40", "--degrees", "4", "--rounds", "1", "--no-memory", "--json", str(file)],
    )
    try:
        layers.main()
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    ratios = json.loads(file.read_text())["ratios"]
    for name in layers.LAYERS:
        assert f"\n{name} " in printed
        assert any(f"time: {name} / " in key for key in ratios) == (name not in layers.RIVALS)
    assert "time: ISAB / GPSConv, 40 x 4" in ratios


def test_the_floor_of_a_step_counts_products_that_are_added_in_place(load) -> None:
    training_step = load("training_step")
    a, b, into = torch.ones(3, 4), torch.ones(4, 5), torch.zeros(3, 5)
    addmm = {torch.ops.aten.addmm_: training_step.addmm_flop}
    with training_step.FlopCounterMode(display=False, custom_mapping=addmm) as counter:
        into.addmm_(a, b)
    assert counter.get_total_flops() == 2 * 3 * 4 * 5


def test_the_table_of_the_history_has_a_column_an_entry(load, tmp_path) -> None:
    table = load("benchmark_history").history_table
    file = tmp_path / "HISTORY.jsonl"
    assert table(file) == "No entry yet: `make bench` adds the first.\n"
    common = {"version": "1.0", "torch": "2.13"}
    entries = [{"date": f"day {day}", **common, "ratios": {"a": 1.0 + day}} for day in range(8)]
    entries[-1]["ratios"]["b"] = 0.5
    entries[-1]["processor"] = "a processor"
    file.write_text("\n".join(json.dumps(entry) for entry in entries) + "\n")
    lines = table(file).splitlines()
    assert "day 1," not in lines[0]
    assert "day 2, 1.0, torch 2.13, processor not recorded" in lines[0]
    assert "day 7, 1.0, torch 2.13, a processor" in lines[0]
    assert lines[2] == "| a | 3.00 | 4.00 | 5.00 | 6.00 | 7.00 | 8.00 |"
    assert lines[3] == "| b | -- | -- | -- | -- | -- | 0.50 |"
