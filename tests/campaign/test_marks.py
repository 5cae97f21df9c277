"""Epochs and marks of a real training in a real campaign, against known energy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import energyctl
from bench import Bench
from hardware.waveform import Constant, Square
from hardware.world import Load, world

LOAD = Load(
    packages=(Square(40.0, 160.0, 1.3), Constant(50.0)),
    dram=Constant(10.0),
    gpus=(Constant(100.0), Square(80.0, 300.0, 0.9)),
)

TRAIN = """
import os, subprocess, sys, time
import told  # a copy of energyctl/marks.py
time.sleep(0.3)  # imports
told.epoch_begin()
for number in range(3):
    time.sleep(0.5 + 0.1 * number)
    told.mark("evaluate")
    time.sleep(0.2)
    told.mark(None)
    told.epoch(number, loss=1.0 / (number + 1), **{"val/acc": 0.5 + 0.2 * number})
told.tracked("mlflow", "abc", uri="https://me:secret@host/path")
if os.fork() == 0:  # as a worker of a data loader
    told.mark("in the child")
    os._exit(0)
os.wait()
told.mark("save checkpoint")
time.sleep(0.3)
"""


def write(bench: Bench, name: str, program: str, text: str, **entry: Any) -> None:
    clone = bench.root / "repos" / name
    (clone / program).write_text(text)
    (clone / program).chmod(0o755)
    path = bench.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    registry["models"][name] = {
        "path": f"repos/{name}",
        "models": ["small"],
        "supported_hyperparams": {},
        **entry,
    }
    path.write_text(json.dumps(registry))


@pytest.fixture
def told(bench: Bench) -> Bench:
    shutil.copy(Path(energyctl.__file__).with_name("marks.py"), bench.root / "repos/front/told.py")
    patterns = {"accuracy": {"told": "val/acc", "scale": 100, "better": "higher", "reach": 65}}
    write(
        bench, "front", "train.py", TRAIN,
        command=["{python}", "train.py"],
        performance_metrics={"log_patterns": patterns, "required": ["accuracy"]},
    )  # fmt: skip
    return bench


def test_epochs_and_marks_have_the_energy_that_flowed_in_them(told: Bench) -> None:
    experiment = {"mode": "default", "repo": "front", "model": "small"}
    name = told.settings(experiments=[experiment], sample_interval_seconds=1.0)
    with world(LOAD) as place:
        environ = {k: v for k, v in place.environment.items() if k not in told.env}
        changed = {k: v for k, v in place.environment.items() if k.startswith("ENERGYCTL_")}
        env = {**environ, **changed, "WANDB_RUN_ID": "w1", "WANDB_PROJECT": "digits"}
        done = told.run("run", name, env={**env, "ENERGYCTL_SOCKET": "/tmp/of-another"})
    assert done.returncode == 0, done.stderr
    (result,) = told.results()
    training = result["foreground_result"]
    epochs, marks = training["epochs"], training["marks"]
    assert [one["epoch"] for one in epochs] == [0, 1, 2]
    assert [one["name"] for one in marks] == ["evaluate"] * 3 + ["in the child", "save checkpoint"]
    start, end = training["attempts"][0]["start"], training["attempts"][0]["end"]
    assert epochs[0]["start"] > start + 0.3
    assert epochs[1]["start"] == epochs[0]["end"]
    assert marks[-1]["end"] == end
    for one in (*epochs, *marks[:3], marks[-1]):
        truth = LOAD.joules(one["start"], one["end"])
        total = sum(truth.values())
        assert abs(one["joules"] - total) <= one["uncertainty_joules"]
        assert one["joules"] == pytest.approx(total, rel=0.1)  # of a busy machine
        assert sum(one["domains"][name] for name in truth) == pytest.approx(one["joules"])
    assert epochs[2]["metrics"] == {"loss": pytest.approx(1 / 3), "val/acc": 0.9}
    assert training["performance_metrics"] == {"accuracy": 90.0, "loss": pytest.approx(1 / 3)}
    series = training["metric_series"]["accuracy"]
    assert series["values"] == [50.0, 70.0, 90.0]
    assert series["times"] == pytest.approx([one["end"] for one in epochs])
    assert series["late_seconds"] is None
    assert result["reach"]["accuracy"]["seconds"] == pytest.approx(epochs[1]["end"] - start)
    assert training["tracking"] == [
        {"to": "wandb", "run_id": "w1", "uri": None, "project": "digits"},
        {"to": "mlflow", "run_id": "abc", "uri": "https://host/path", "project": None},
    ]
    assert not [line for line in result["warnings"] if "epochs" in line]
