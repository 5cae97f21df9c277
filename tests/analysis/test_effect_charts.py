"""The figure of a hyper-parameter's effect: levels with means and intervals, or runs alone."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from itertools import product
from pathlib import Path
from statistics import fmean, stdev

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.charts import plots
from written_results import write_runs

SVG = "{http://www.w3.org/2000/svg}"
LEVELS, CONDITIONS, BLOCKS = (16, 32), {"alone": 1.0, "beside a/b": 1.5}, 4
GROWTH = (1.08, 1.10, 1.12, 1.10)
"""Of each block, from the first level to the second."""


def write_grid(folder: Path, model: str = "small") -> Path:
    """A grid of two levels by two conditions, in four blocks."""
    for block, (condition, factor), level in product(
        range(1, BLOCKS + 1), CONDITIONS.items(), LEVELS
    ):
        joules = 1000.0 * factor * (GROWTH[block - 1] if level == 32 else 1.0) + block
        run = {"experiment": 0, "repetition": block, "block": block}
        there = {*folder.glob("*.json")}
        write_runs(
            folder, "mutation", [joules], condition=condition, block=block,
            environment={"hostname": "node", "run": run},
        )  # fmt: skip
        (path,) = {*folder.glob("*.json")} - there
        data = json.loads(path.read_text())
        data["foreground_result"]["hyperparameters"] = {"batch": level}
        data["foreground_result"]["model"] = model
        path.write_text(json.dumps(data))
    return folder


def test_levels_have_their_mean_and_how_they_compare_with_the_first(tmp_path: Path) -> None:
    runs = energyctl.load(write_grid(tmp_path / "results"))
    drawing = plots.effect(runs, plots.PlotOptions())
    assert len(drawing.rows["points"]) == BLOCKS * 4
    alone = [row for row in drawing.rows["means"] if row["condition"] == "alone"]
    means = {row["x"]: row for row in alone}
    values = [1000.0 * GROWTH[block] + block + 1 for block in range(BLOCKS)]
    half = 3.182 * stdev(values) / math.sqrt(BLOCKS)
    assert means[32]["y"] == pytest.approx(fmean(values))
    assert means[32]["high"] - means[32]["y"] == pytest.approx(half, rel=1e-4)
    changes = {row["condition"]: row for row in drawing.rows["changes"]}
    assert {*changes} == {*CONDITIONS}
    for row in changes.values():
        assert row["x"] == 32
        assert row["change"] == pytest.approx(10, abs=0.1)
        assert row["low"] < row["change"] < row["high"]


@pytest.mark.parametrize("width", ["85mm", "170mm"])
def test_a_figure_has_a_mark_for_each_run_and_for_each_mean(tmp_path: Path, width: str) -> None:
    write_grid(tmp_path / "results")
    arguments = ["plot", "--kind", "effect", "--out", "f.svg", "--width", width]
    assert cli.run(["-C", str(tmp_path), *arguments]) == 0
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    marks = [
        g for g in root.iter(f"{SVG}g") if "mark-symbol role-mark" in g.attrib.get("class", "")
    ]
    assert sorted(len(g) for g in marks) == [2, 4, BLOCKS * 4]
    words = {"".join(one.itertext()) for one in root.iter(f"{SVG}text")}
    assert {"16", "32", "batch", "Energy (J)", "alone", "beside a/b"} <= words
    assert "Change against 16(%)" in words  # in two lines


def test_each_training_has_a_panel(tmp_path: Path) -> None:
    write_grid(tmp_path / "results")
    write_grid(tmp_path / "results", "large")
    arguments = ["plot", "--kind", "effect", "--x", "batch", "--out", "f.svg"]
    assert cli.run(["-C", str(tmp_path), *arguments]) == 0
    text = (tmp_path / "f.svg").read_text()
    for name in ("front / small", "front / large"):
        assert text.count(f">{name}<") == 1


def test_values_that_were_drawn_say_their_trend(tmp_path: Path) -> None:
    write_runs(tmp_path / "results", "mutation", [100.0 + 7 * n for n in range(12)])
    runs = energyctl.load(tmp_path / "results")
    drawing = plots.effect(runs, plots.PlotOptions(x="lr"))
    assert drawing.rows["means"] == drawing.rows["changes"] == []
    said = drawing.chart(200).to_dict()["title"]["subtitle"]
    assert "alone: " in " ".join(said)
    assert "lr" in " ".join(said)
