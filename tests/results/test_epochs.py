"""Epochs and marks of a result, where it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import energyctl
from energyctl.analysis.report.run_tables import MOST_EPOCHS, facts
from energyctl.results.api import Run
from written_results import write_runs


def written(folder: Path, epochs: list[dict[str, Any]], marks: list[dict[str, Any]]) -> Run:
    (path,) = write_runs(folder, "default", [6000.0]).glob("*.json")
    data = json.loads(path.read_text())
    data["foreground_result"] |= {"epochs": epochs, "marks": marks}
    path.write_text(json.dumps(data))
    (run,) = energyctl.load(folder)
    return run


def epoch(number: int, **fields: Any) -> dict[str, Any]:
    stretch = {"start": 1000.0 + 10 * number, "end": 1010.0 + 10 * number, "joules": 500.0}
    figures = {"uncertainty_joules": 5.0, "domains": {"gpu-0": 500.0}, "metrics": {"loss": 0.5}}
    return {"epoch": number, **stretch, **figures, **fields}


def test_they_are_objects_and_rows(tmp_path: Path) -> None:
    unknown = {"joules": None, "uncertainty_joules": None, "missing": "no energy of gpu-0: gone"}
    mark = {key: value for key, value in epoch(1).items() if key not in ("epoch", "metrics")}
    run = written(
        tmp_path, [epoch(0, epochs=2), epoch(1, **unknown)], [{"name": "evaluate", **mark}]
    )
    first, second = run.epochs
    assert (first.epoch, first.epochs, first.joules, first.metrics) == (0, 2, 500.0, {"loss": 0.5})
    assert (second.epochs, second.joules, second.missing) == (1, None, "no energy of gpu-0: gone")
    assert [(one.name, one.end - one.start) for one in run.marks] == [("evaluate", 10.0)]
    row, other = run.rows("epochs")
    assert (row["seconds"], row["watts"], row["metric_loss"], row["epochs"]) == (10.0, 50.0, 0.5, 2)
    assert (other["watts"], other["missing"]) == (None, "no energy of gpu-0: gone")
    assert energyctl.load(tmp_path).table("epochs")["epoch"].to_list() == [0, 1]


def test_the_page_lists_them(tmp_path: Path) -> None:
    def table(epochs: list[dict[str, Any]], name: str) -> list[Any]:
        tables = facts(written(tmp_path / name, epochs, []))["tables"]
        return [
            row for one in tables if one["title"] == "epochs of the training" for row in one["rows"]
        ]

    assert table([epoch(0), epoch(1, joules=None, missing="gone")], "few") == [
        ["0", "10.0", "500.0 ± 5.0 J"],
        ["1", "10.0", {"why": "gone"}],
    ]
    many = table([epoch(number) for number in range(200)], "many")
    assert [row[0] for row in (many[0], many[-1])] == ["0", "199"]
    assert len(many) == MOST_EPOCHS
    assert table([], "none") == []
