from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from benchmarks.tracking import write_result
from energyctl.integrations.metric_series import kept_steps
from energyctl.integrations.mlflow_names import key_of, keys_of, value_of
from energyctl.integrations.tracking import OwnRun, Record, record_of
from energyctl.results.api import load


def record(tmp_path: Path, tracker: Any = "mlflow", **training: Any) -> Record:
    """Of a run, with changes of its foreground_result."""
    result = write_result(tmp_path, 0, random.Random(1))
    result["foreground_result"] |= training
    (path,) = tmp_path.glob("*.json")
    path.write_text(json.dumps(result))
    return record_of(load(path)[0], tracker)


def test_a_hyperparameter_with_a_name_of_ours_is_set_apart(tmp_path: Path) -> None:
    values = {"model": "resnet", "block": 7, "lr": 0.1}
    parameters = record(tmp_path, hyperparameters=values).parameters
    assert parameters["model"] == "small"
    assert parameters["hyperparameters.model"] == "resnet"
    assert parameters["hyperparameters.block"] == 7
    assert parameters["lr"] == 0.1


def test_what_is_null_is_no_metric(tmp_path: Path) -> None:
    series = {"loss": {"values": [None, 2.0, None], "times": [1.0, None, 3.0], "seen": 3}}
    metrics = {"loss": 2.0, "accuracy": None}
    made = record(tmp_path, performance_metrics=metrics, metric_series=series, retries=None)
    assert [(point.value, point.step) for point in made.training_series["loss"]] == [(2.0, 1)]
    assert made.figures(own=False).keys().isdisjoint({"accuracy", "energyctl.retries"})


def test_a_metric_that_is_not_its_last_value_is_shown_last(tmp_path: Path) -> None:
    series = {"acc": {"values": [0.5, 0.9, 0.7], "times": [1.0, 2.0, 3.0], "seen": 3}}
    made = record(tmp_path, performance_metrics={"acc": 0.9}, metric_series=series)
    assert [(p.value, p.step) for p in made.training_series["acc"]][-2:] == [(0.7, 2), (0.9, 3)]


def test_the_training_s_own_run_is_that_of_the_tracker(tmp_path: Path) -> None:
    named = [
        {"to": "wandb", "run_id": "abc", "uri": None, "project": "vision"},
        {"to": "mlflow", "run_id": "def", "uri": "http://server", "project": None},
    ]
    assert record(tmp_path, tracking=named).own == OwnRun("def", "http://server", None)
    assert record(tmp_path, "wandb", tracking=named).own == OwnRun("abc", None, "vision")


def test_the_steps_of_a_series_that_was_thinned() -> None:
    assert [*kept_steps(4, 4)] == [0, 1, 2, 3]
    assert [*kept_steps(501, 1001)] == [*range(0, 1001, 2)]
    assert [*kept_steps(502, 1002)] == [*range(0, 1002, 2), 1001]
    assert [*kept_steps(0, 0)] == []


def test_names_are_such_as_mlflow_takes() -> None:
    assert key_of("acc@1 (%)") == "acc_1 ___"
    assert key_of("../x") == ".._x"
    assert key_of("val/acc") == "val/acc"
    assert len(key_of("x" * 300)) == 250
    named = {"a@b": 1, "a#b": 2, "loss": 3, "loss/val": 4}
    assert keys_of(named) == {"a_b": 1, "a_b_2": 2, "loss": 3, "loss_val": 4}
    assert value_of(0.1 + 0.2, 100) == "0.30000000000000004"
    assert value_of("x" * 30, 10) == "xxxxxxxxx…"
