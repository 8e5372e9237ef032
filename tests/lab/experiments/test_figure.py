from __future__ import annotations

import builtins

import pytest

from pyg_gears.lab.experiments import figure
from pyg_gears.report import figure_style

pytest.importorskip("matplotlib")


def test_every_run_is_a_dot_and_pairs_are_joined(experiment, records, tmp_path, monkeypatch) -> None:
    drawn = []

    def keep(width, height):
        drawn.append(figure_style.new_figure(width, height))
        return drawn[-1]

    monkeypatch.setattr(figure, "new_figure", keep)
    figure.draw_experiment(experiment, records, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "figure.svg").read_text()[:2000]
    assert drawn[0].texts[-1].get_text().startswith("9 runs")
    axes = drawn[0].axes[0]
    dots = [tuple(point) for found in axes.collections for point in found.get_offsets().tolist()]
    assert sorted(dots) == [(0.9, 1), (1.0, 0), (1.2, 0), (1.3, 1), (1.7, 1), (2.0, 0), (2.4, 0), (3.0, 2)]
    joined = [line.get_xydata().tolist() for line in axes.lines if line.get_linewidth() == 0.6]
    assert [[2.0, 0.0], [1.7, 1.0], [3.0, 2.0]] in joined
    bars = [line.get_xdata()[0] for line in axes.lines if line.get_linewidth() == 2.2]
    assert bars == pytest.approx([1.65, 1.3, 3.0])
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("as is, inductive", "k 10, inductive", "noise, inductive")
    ]


def test_without_matplotlib_it_says_what_to_install(monkeypatch) -> None:
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[plot\]'"):
        figure_style.check_figures()
