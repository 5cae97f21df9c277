"""The figure of energy against time, and the effect of a machine setting."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.charts import plots
from energyctl.errors import SettingsError
from set_machines import LIMITS, WORSE, write_grid, write_levels

SVG = "{http://www.w3.org/2000/svg}"
LIMIT = "gpu_power_limit_watts"


def drawing(folder: Path, x: str | None = None) -> plots.Plot:
    return plots.tradeoff(energyctl.load(folder), plots.PlotOptions(x=x))


def test_each_level_has_its_mean_with_intervals_in_both_directions(tmp_path: Path) -> None:
    rows = drawing(write_levels(tmp_path, WORSE)).rows
    assert len(rows["runs"]) == 20
    levels = {row["level"]: row for row in rows["levels"]}
    assert list(levels) == ["700 W", "500 W", "300 W", "200 W"]
    for (joules, seconds), row in zip(WORSE.values(), levels.values(), strict=True):
        assert row["joules_low"] < joules < row["joules_high"]
        assert row["seconds_low"] < seconds < row["seconds_high"]
        assert row["n"] == 5
    assert [row["front"] for row in levels.values()] == [True, True, False, False]


@pytest.mark.parametrize("width", ["85mm", "170mm"])
def test_the_figure_names_its_levels_and_marks_the_front(tmp_path: Path, width: str) -> None:
    conditions = (("alone", 1.0), ("loaded", 1.5))
    write_levels(tmp_path / "results", LIMITS, conditions=conditions)
    arguments = ["plot", "--kind", "tradeoff", "--out", "f.svg", "--width", width]
    assert cli.run(["-C", str(tmp_path), *arguments]) == 0
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    words = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    for level in ("700 W", "500 W", "300 W"):
        assert words.count(level) == len(conditions)
    assert {"Energy (kJ)", "Time (s)", "alone", "loaded"} <= set(words)
    groups = [g.attrib.get("class", "") for g in root.iter(f"{SVG}g")]
    assert sum("mark-line role-mark" in name for name in groups) == len(conditions)


def test_levels_that_cannot_be_compared_have_their_runs_alone(tmp_path: Path) -> None:
    write_grid(
        tmp_path / "results", LIMITS, {10: 1.0}, blocks=2,
        failed=lambda block, level, n: (block, level) in ((1, 500), (2, 300)),
    )  # fmt: skip
    assert [row["joules"] for row in drawing(tmp_path / "results").rows["levels"]] == [None] * 3
    arguments = ["plot", "--kind", "tradeoff", "--x", LIMIT, "--out", "f.svg"]
    assert cli.run(["-C", str(tmp_path), *arguments]) == 0
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    words = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert "Energy (kJ)" in words
    assert "700 W" not in words


def test_each_training_has_a_panel_and_hours_are_hours(tmp_path: Path) -> None:
    slow = {level: (joules, 400 * seconds) for level, (joules, seconds) in LIMITS.items()}
    write_levels(tmp_path / "results", slow, model="small")
    write_levels(tmp_path / "results", slow, model="large")
    arguments = ["plot", "--kind", "tradeoff", "--x", LIMIT, "--out", "f.svg"]
    assert cli.run(["-C", str(tmp_path), *arguments]) == 0
    text = (tmp_path / "f.svg").read_text()
    for name in ("front / small", "front / large"):
        assert text.count(f">{name}<") == 1
    assert text.count(">Time (h)<") == 2


def test_what_has_no_two_levels_is_said(tmp_path: Path) -> None:
    write_levels(tmp_path, {700.0: (9000.0, 20.0)})
    with pytest.raises(SettingsError, match="gpu_power_limit_watts has no two levels"):
        drawing(tmp_path, LIMIT)
    with pytest.raises(SettingsError, match="no hyper-parameter or machine setting"):
        drawing(tmp_path, "gpu_clock_mhz")


def test_an_effect_is_against_the_least_restricted_level(tmp_path: Path) -> None:
    runs = energyctl.load(write_levels(tmp_path, LIMITS))
    found = plots.effect(runs, plots.PlotOptions())
    changes = {row["x"]: row for row in found.rows["changes"]}
    assert set(changes) == {500.0, 300.0}
    assert changes[500.0]["change"] == pytest.approx(-11.1, abs=1)
    text = str(found.chart(200).to_dict())
    assert "Change against 700 W" in text
    assert "GPU power limit (W)" in text
