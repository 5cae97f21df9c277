"""Metrics of real runs: from files of all kinds, and why there are none."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any

import pytest

from bench import Bench
from event_writer import event, simple

TRAINING = {"repo": "front", "model": "small", "mode": "default"}


def registry(bench: Bench, program: str, metrics: dict[str, Any], **fields: Any) -> str:
    """A registry with one training, which runs *program*; the name of the settings file."""
    literal = program.replace("{", "{{").replace("}", "}}")
    entry = {
        "path": "repos/front",
        "models": ["small"],
        "command": [sys.executable, "-S", "-c", literal],
        "performance_metrics": {"log_patterns": metrics},
        **fields,
    }
    models = bench.root / "settings" / "models_config.json"
    models.write_text(json.dumps({"models": {"front": entry}}))
    return bench.settings(experiments=[TRAINING])


EVERY_FILE = """
import json, os, shutil
os.makedirs("runs/1")
with open("runs/1/metrics.csv", "w") as file:
    file.write("epoch,val_acc\\n1,0.5\\n2,0.75\\n3,0.25\\n")
with open("log.jsonl", "w") as file:
    for accuracy in (0.5, 0.625):
        file.write(json.dumps({"eval": {"accuracy": accuracy}}) + "\\n")
with open("all_results.json", "w") as file:
    json.dump({"eval": {"f1": 0.125}}, file)
with open("events.bin", "rb") as file, open("runs/1/events.out.tfevents.1", "wb") as target:
    target.write(file.read())
"""
OF_FILES: dict[str, Any] = {
    "best": {"file": "runs/*/metrics.csv", "column": "val_acc", "select": "max", "scale": 100},
    "accuracy": {"file": "*.jsonl", "key": "eval.accuracy", "required": True},
    "f1": {"file": "all_results.json", "key": "eval.f1"},
    "top1": {"file": "runs/*/events*", "tag": "val/top1"},
}


def test_metrics_are_read_from_csv_json_and_event_files(bench: Bench) -> None:
    name = registry(bench, EVERY_FILE, OF_FILES, workspace="copy")
    events = event(1.0, simple("val/top1", 0.9)) + event(2.0, simple("val/top1", 0.95))
    (bench.root / "repos" / "front" / "events.bin").write_bytes(events)
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    found = result["foreground_result"]["performance_metrics"]
    assert found == {"best": 75.0, "accuracy": 0.625, "f1": 0.125, "top1": 0.95}


def test_a_required_metric_that_is_missing_names_its_file_and_what_was_looked_for(
    bench: Bench,
) -> None:
    column = {"file": "metrics.csv", "column": "val_acc", "required": True}
    name = registry(bench, "open('metrics.csv', 'w').write('epoch,acc\\n1,2\\n')", {"acc": column})
    assert bench.run("run", name).returncode == 1
    (result,) = bench.results()
    assert result["foreground_result"]["error"].startswith(
        "required metrics not found: acc (metrics.csv: there is no column 'val_acc'; "
        "it has epoch, acc); its log: "
    )


@pytest.mark.parametrize(
    ("program", "fields", "reason"),
    [
        ("", {"file": "m.csv", "column": "acc"}, "no new m.csv in "),
        ("w('m.csv', 'acc\\n')", {"file": "m.csv", "column": "acc"}, "column 'acc' of m.csv is e"),
        (
            "w('m.csv', 'acc\\n0,9\\n')",
            {"file": "m.csv", "column": "acc"},
            "'0,9' in m.csv, column 'acc', is no number that can be read",
        ),
        ("w('m.json', '{')", {"file": "m.json", "key": "acc"}, "m.json: it is no JSON: "),
        (
            "w('m.json', '{\"a\": 1}')",
            {"file": "m.json", "key": "acc"},
            "m.json: there is no key 'acc'; it has a",
        ),
        ("w('m.jsonl', 'acc 1')", {"file": "m.jsonl", "key": "acc"}, "m.jsonl: no line of it is J"),
        ("w('events.1', 'acc 1')", {"file": "events*", "tag": "acc"}, "events.1: it is no event f"),
        ("os.mkfifo('m.csv')", {"file": "m.csv", "column": "acc"}, "m.csv cannot be read: not a r"),
        ("print('acc: 1.5k')", {"pattern": "acc: {number}"}, "'1.5k' in training_front_small_"),
        ("print('a 1')", {"pattern": "acc: {number}"}, "nothing in training_front_small_"),
    ],
)
def test_an_optional_metric_that_is_missing_is_a_warning_with_the_reason(
    bench: Bench, program: str, fields: dict[str, Any], reason: str
) -> None:
    begin = "import os\ndef w(name, text): open(name, 'w').write(text)\n"
    assert bench.run("run", registry(bench, begin + program, {"acc": fields})).returncode == 0
    (result,) = bench.results()
    assert result["foreground_result"]["performance_metrics"] == {}
    (line,) = [line for line in result["warnings"] if "metrics not found" in line]
    assert line.startswith(f"metrics not found: acc ({reason}")


def test_a_file_that_is_too_large_to_read_in_time_does_not_hold_up_the_campaign(
    bench: Bench,
) -> None:
    """A terabyte of nothing."""
    program = "import os\nwith open('m.json', 'wb') as file: os.truncate(file.fileno(), 1 << 40)"
    fields = {"file": "m.json", "key": "acc"}
    assert bench.run("run", registry(bench, program, {"acc": fields})).returncode == 0
    (result,) = bench.results()
    assert "m.json: it is larger than 16 MiB" in "\n".join(result["warnings"])


def test_models_show_where_a_metric_is_read(bench: Bench) -> None:
    registry(bench, "", OF_FILES)
    shown = bench.look("models").stdout
    assert "column 'val_acc' (max, times 100, from runs/*/metrics.csv)" in " ".join(shown.split())
    resolved = json.loads(bench.look("models", "--json").stdout)["resolved"]["front"]
    metrics = resolved["metrics"]
    assert [metric["tag"] for metric in metrics] == [None, None, None, "val/top1"]


SERIES = """
import os, struct, time
for epoch, accuracy in enumerate((0.25, 0.9, 0.5)):
    time.sleep(0.3)
    print(f"acc: {accuracy} at {time.time()}", flush=True)
    with open("m.csv", "a") as file:
        if not epoch:
            file.write("acc,at\\n")
        file.write(f"{accuracy},{time.time()}\\n")
with open("events.bin", "rb") as file, open("events.1", "wb") as target:
    target.write(file.read())
"""
IN_SERIES: dict[str, Any] = {
    "printed": {"pattern": "acc: {number}", "select": "max", "series": True},
    "printed_at": {"pattern": "at {number}", "series": True},
    "row": {"file": "m.csv", "column": "acc", "series": True},
    "row_at": {"file": "*.csv", "column": "at", "series": True},
    "top1": {"file": "events*", "tag": "val/top1", "series": True},
    "last": "acc: {number}",
}


def test_a_series_keeps_each_value_with_the_time_of_its_line_or_row(bench: Bench) -> None:
    name = registry(bench, SERIES, IN_SERIES, workspace="copy")
    events = event(1.5e9, simple("val/top1", 0.9)) + event(1.6e9, simple("val/top1", 0.95))
    (bench.root / "repos" / "front" / "events.bin").write_bytes(events)
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    foreground = result["foreground_result"]
    assert foreground["performance_metrics"]["printed"] == 0.9
    assert foreground["performance_metrics"]["last"] == 0.5
    series = foreground["metric_series"]
    assert set(series) == set(IN_SERIES) - {"last"}
    for name, at in (("printed", "printed_at"), ("row", "row_at")):
        assert series[name]["values"] == [0.25, 0.9, 0.5]
        assert series[name]["seen"] == 3
        for seen, came in zip(series[at]["times"], series[at]["values"], strict=True):
            assert came - 0.05 <= seen <= came + series[at]["late_seconds"] + 0.5
    top1 = {"values": [0.9, 0.95], "times": [1.5e9, 1.6e9], "seen": 2, "late_seconds": None}
    assert series["top1"] == top1
    (attempt,) = foreground["attempts"]
    assert attempt["start"] < series["printed"]["times"][0] < attempt["end"]

    assert bench.look("export", "--table", "series", "--out", "-").returncode == 0
    table = bench.look("export", "--table", "series", "--out", "-").stdout.splitlines()
    assert table[0] == "experiment_id,metric,number,time,seconds,value"
    assert len(table) == 1 + 4 * 3 + 2
    seconds = [float(row.split(",")[4]) for row in table if ",printed," in row]
    assert [second > 0.25 for second in seconds] == [True] * 3


LEARNING = """
import time
for epoch in range(4):
    time.sleep(0.4)
    print("acc:", 0.2 * (epoch + 1), "at", time.time(), flush=True)
"""
TO_REACH: dict[str, Any] = {
    "acc": {"pattern": "acc: {number}", "select": "max", "scale": 100, "reach": 40},
    "late": {"pattern": "acc: {number}", "better": "higher", "reach": 0.95},
    "none": {"pattern": "loss: {number}", "better": "lower", "reach": 1},
    "at": {"pattern": "at {number}", "series": True},
}


def test_seconds_and_joules_to_reach_a_value(bench: Bench) -> None:
    done = bench.run("run", registry(bench, LEARNING, TO_REACH))
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    reach, energy = result["reach"], result["energy"]
    assert set(reach) == {"acc", "late", "none"}
    (attempt,) = result["foreground_result"]["attempts"]
    came = result["foreground_result"]["metric_series"]["at"]["values"][1] - attempt["start"]
    first = reach["acc"]
    assert (first["value"], first["better"], first["missing"]) == (40.0, "higher", None)
    assert came - 0.05 <= first["seconds"] <= came + 0.5
    share = first["seconds"] / energy["seconds"]
    assert 0 < first["joules"] < energy["total_joules"]
    assert first["joules"] == pytest.approx(share * energy["total_joules"], rel=0.5)
    assert first["uncertainty_joules"] > 0
    assert (reach["late"]["seconds"], reach["late"]["joules"]) == (None, None)
    assert reach["late"]["missing"] == "it was not reached: the best was 0.8"
    assert reach["none"]["missing"] == "no value of it was found"
    for shown in (done.stdout, bench.look("report").stdout):
        assert "acc 40" in " ".join(shown.split())

    assert bench.look("export", "--out", "tables").returncode == 0
    with open(bench.root / "tables" / "runs.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["reach_joules_acc"]) == first["joules"]
    assert row["reach_joules_late"] == ""


def test_an_experiment_sets_the_value_to_reach(bench: Bench) -> None:
    registry(bench, LEARNING, TO_REACH)
    name = bench.settings(experiments=[TRAINING | {"reach": {"acc": 80, "late": 0.5}}])
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    reach = result["reach"]
    assert {metric: one["value"] for metric, one in reach.items()} == {
        "acc": 80,
        "late": 0.5,
        "none": 1,
    }
    assert reach["late"]["missing"] is None


@pytest.mark.parametrize(
    ("reach", "problem"),
    [
        ({"ac": 0.5}, 'is no metric of front; did you mean "acc"?'),
        ({"unsaid": 0.5}, "does not say whether more or less is better"),
        ({"whole": 0.5}, "a JSON document does not tell when its values came"),
        ({"acc": "much"}, "number"),
    ],
)
def test_a_value_that_cannot_be_told_is_said_before_the_start(
    bench: Bench, reach: dict[str, Any], problem: str
) -> None:
    whole = {"file": "all.json", "key": "acc", "better": "higher"}
    registry(bench, LEARNING, TO_REACH | {"unsaid": "acc: {number}", "whole": whole})
    name = bench.settings(experiments=[TRAINING | {"reach": reach}])
    done = bench.look("run", "--strict", name)
    assert done.returncode == 2
    assert f"reach.{next(iter(reach))}" in done.stderr
    assert problem in done.stderr
