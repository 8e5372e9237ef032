"""A fit or a reconstruction is stopped at a random moment: what follows must equal the unbroken run byte for byte."""

from __future__ import annotations

import atexit
import functools
import random
import shutil
import signal
import tempfile
from pathlib import Path

from pyg_gears.data import write_simulation
from tests.campaign.preloaded import Ended, Preloaded

KIND = "kills"

TINY = (
    "minisets.count=10",
    "minisets.min_size=24",
    "minisets.max_size=32",
    "graph.k=8",
    "training.members=2",
    "training.epochs=3",
    "training.final_epochs=2",
    "training.pretraining.steps=3",
    "training.validation=2",
    "training.node_budget=96",
    "model.hidden_channels=8",
    "model.heads=2",
    "model.head_channels=4",
    "model.recycles=2",
    "embedding.genes=60",
    "embedding.steps=6",
    "embedding.evaluate_every=2",
    "embedding.folds=2",
    "embedding.repeats=1",
    "embedding.out_channels=6",
    "embedding.front.components=8",
    "embedding.adapter.steps=5",
)
STOPS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Bench:
    """Input, the unbroken run, and the process that runs commands."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kills-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        write_simulation(self.folder / "data", slides=2, cells=90, spots=60, seed=3)
        self.commands = Preloaded().__enter__()
        atexit.register(self.commands.__exit__, None, None, None)
        data = self.folder / "data"
        fields = [word for field in TINY for word in ("--set", field)]
        slides = [data / "slide_0.h5ad", data / "slide_1.h5ad"]
        cells, model = data / "cells.h5ad", self.folder / "whole" / "m"
        self.words: dict[str, list[object]] = {
            "fit": ["fit", *slides, "--cells", cells, "--validate", "slide_1", "--out", "m", *fields],
            "reconstruct": ["reconstruct", model, cells, "--out", "l.h5ad", "--patch-size", 24],
        }
        self.words["reconstruct"] += ["--set", "shard_patches=4"]
        whole = self.folder / "whole"
        whole.mkdir()
        self.seconds = {}
        for name, words in self.words.items():
            done = self.commands.run(words, whole)
            assert done.code == 0, done.said
            self.seconds[name] = done.seconds
        self.expected = contents(whole)

    def of(self, command: str) -> dict[str, bytes]:
        """The files of one command's unbroken run."""
        return {name: data for name, data in self.expected.items() if name.startswith("m/") == (command == "fit")}


bench = functools.cache(Bench)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every empty folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def plan(seed: int) -> tuple[str, list[tuple[signal.Signals, float]]]:
    """The command, and when (as a share of an unbroken run) it is stopped how."""
    chance = random.Random(seed)
    command = chance.choice(["fit", "reconstruct"])
    return command, [(chance.choice(STOPS), chance.uniform(0.0, 1.05)) for _ in range(chance.randint(1, 3))]


def describe(seed: int) -> str:
    """What is tried with this seed."""
    command, stops = plan(seed)
    return f"{command} stopped by " + ", ".join(f"{stop.name} at {share:.3f} of its time" for stop, share in stops)


def attempt(seed: int) -> str | None:
    """Stop and go on as planned; None if all is as in the unbroken run, else what differs."""
    command, stops = plan(seed)
    place = Path(tempfile.mkdtemp(dir=bench().folder))
    run = place / "run"
    run.mkdir()
    try:
        for stop, share in stops:
            failure = _stop(command, run, stop, share)
            if failure:
                return f"{describe(seed)}: {failure}"
        done = _go_on(command, run)
        if done is not None and done.code != 0:
            return f"{describe(seed)}: going on ended with {done.code}: {done.said}"
        return _difference(command, run, describe(seed))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _difference(command: str, run: Path, what: str) -> str | None:
    found, expected = contents(run), bench().of(command)
    if set(found) != set(expected):
        return f"{what}: files differ: {sorted(set(found) ^ set(expected))}"
    other = [name for name in found if found[name] != expected[name]]
    return f"{what}: content differs in {other}" if other else None


def _finished(command: str, run: Path) -> bool:
    """Whether nothing is left to do."""
    return (
        (run / "m/model.pt").exists() and not (run / "m/work").exists()
        if command == "fit"
        else (run / "l.h5ad").exists()
    )


def _words(command: str, run: Path) -> list[object]:
    resume = ["--resume"] if command == "fit" and (run / "m/work").exists() else []
    return [*bench().words[command], *resume]


def _go_on(command: str, run: Path) -> Ended | None:
    return None if _finished(command, run) else bench().commands.run(_words(command, run), run)


def _stop(command: str, run: Path, stop: signal.Signals, share: float) -> str | None:
    """Run and stop; what is wrong with how it ended."""
    if _finished(command, run):
        return None
    ended = bench().commands.run(_words(command, run), run, stop, share * bench().seconds[command])
    allowed = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[stop]
    if ended.code not in (0, allowed):
        return f"{stop.name} ended it with {ended.code}: {ended.said}"
    if stop is not signal.SIGKILL and ended.code:
        if ended.said.count("pyg-gears: stopped") != 1 or "Traceback" in ended.said:
            return f"{stop.name} left more or less than one line: {ended.said}"
        parts = [path for path in contents(run) if ".part" in path]
        if parts:
            return f"{stop.name} left {parts}"
    return None
