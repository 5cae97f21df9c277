"""Figures by condition: every run a point, and the mean with its interval."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.charts import plots
from energyctl.analysis.charts.encodings import lines
from written_results import write_runs

SVG = "{http://www.w3.org/2000/svg}"
LONG = "beside energyctl_examples/resnet152_pretrained_on_images + 2 × energyctl_examples/mlp"
ENERGIES = {"alone": [1000.0, 1010.0, 1020.0], LONG: [1500.0, 1530.0, 1510.0, 1520.0]}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three and four runs; the last one did not reach 0.9, the others at half of their energy."""
    folder = tmp_path / "results"
    for condition, joules in ENERGIES.items():
        write_runs(folder, "mutation", joules, condition=condition)
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        data = json.loads(path.read_text())
        half = None if path == paths[-1] else data["energy"]["total_joules"] / 2
        data["reach"] = {
            "accuracy": {
                "value": 0.9, "better": "higher", "seconds": half and 5.0, "joules": half,
                "uncertainty_joules": half and 1.0, "own_joules": half and 0.5,
                "missing": None if half else "not reached",
            }
        }  # fmt: skip
        path.write_text(json.dumps(data))
    return folder


def drawn(results: Path, *arguments: str) -> ElementTree.Element:
    assert cli.run(["-C", str(results.parent), "plot", *arguments, "--out", "f.svg"]) == 0
    return ElementTree.parse(results.parent / "f.svg").getroot()


def texts(root: ElementTree.Element) -> list[str]:
    return [" ".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def marks(root: ElementTree.Element) -> list[int]:
    groups = [g for g in root.iter(f"{SVG}g") if "mark-symbol" in g.attrib.get("class", "")]
    return [len(g) for g in groups]


@pytest.mark.parametrize("width", ["85mm", "170mm"])
def test_each_run_is_a_point_and_each_condition_has_a_mean(results: Path, width: str) -> None:
    root = drawn(results, "--kind", "conditions", "--width", width)
    assert marks(root) == [7, 2]
    said = texts(root)
    assert "Total energy (J)" in said
    assert "n = 3, mean 1010, 95 % interval 985 to 1035 J" in said
    assert {*lines(LONG, 44)} <= {line for text in said for line in (text, *lines(text, 44))}


def test_names_in_lines_stand_above_their_words(results: Path) -> None:
    drawing = plots.conditions(energyctl.load(results), plots.PlotOptions())
    rows = drawing.rows["levels"]
    tops = [row["place"] - 1.85 - len(row["name"]) for row in rows]
    assert tops[0] >= 0
    for row, top in zip(rows, tops, strict=True):
        assert top + len(row["name"]) <= row["place"] - 1.85 + 1e-9  # where the words begin
    assert all(row["place"] + 0.9 < top for row, top in zip(rows[:-1], tops[1:], strict=True))
    assert all(one < other for one, other in pairwise(tops))


def test_energy_to_reach_a_value_leaves_out_runs_that_did_not(results: Path) -> None:
    root = drawn(results, "--kind", "reach")
    assert marks(root) == [6, 2]
    said = texts(root)
    assert "Energy to accuracy 0.9 (J)" in said
    assert "not shown: 1 run of which it is not known" in said
    assert "n = 3, mean 505, 95 % interval 493 to 517 J" in said


def test_without_a_value_to_reach_nothing_is_drawn(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-C", str(results.parent), "plot", "--kind", "reach", "--y", "loss"]
    assert cli.run([*command, "--out", "f.svg"]) == 2
    said = capsys.readouterr().err
    assert "--y loss: no metric with a value to reach of these runs; there are accuracy" in said
    assert not (results.parent / "f.svg").exists()
