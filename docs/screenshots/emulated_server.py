"""A server with two GPUs and two CPU packages, emulated by the stand-ins of the tests.

Trainings share GPU 0, and its power follows what they do; the power of all else is a wave.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from hardware.compiled import program
from hardware.shared_gpu import shared_gpu
from hardware.waveform import Constant, Square
from hardware.world import Load, world

NAME = "emulated server with two GPUs"
BLOCKS, RUNS = 5, 15
GPU = "Emulated GPU"

EPOCHS = {"small": 10, "large": 5}

# Of sharing_training.c of the tests: watts, and milliseconds with and without a kernel; an epoch is
# 20 of them. What else is imported comes last, so that an iteration of the load starts at once.
TRAINING = """import subprocess, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
model = {{
    "small": ["--watts", "230", "--busy", "20", "--host", "5"],
    "large": ["--watts", "150", "--busy", "12", "--host", "8"],
}}[options["--model"]]
units = str(20 * int(options["--epochs"]))
code = subprocess.call([{program!r}, "--name", options["--model"], *model, "--units", units])
import math, random
rate = float(options["--lr"])
error = 6 + 2.2 * abs(math.log10(rate / 0.1)) + random.Random(rate).gauss(0, 0.25)
print(f"Test accuracy: {{100 - error:.2f}}")
sys.exit(code)
"""

BESIDE = {"repo": "my_repo", "model": "large"}
SETTINGS = {
    "experiment_name": "load",
    "description": "What does it cost to train small beside large?",
    "seed": 1,
    "sample_interval_seconds": 0.25,
    "idle_seconds": 2,
    "cooldown_seconds": 2,
    "settle": {"seconds": 3, "timeout_seconds": 30},
    "references": {"context_held_seconds": 2},
    "require": ["cpu", "gpu"],
    "experiments": [
        {
            "repo": "my_repo",
            "model": "small",
            "mutate": ["learning_rate"],
            "runs_per_config": BLOCKS,
            "conditions": {
                "alone": None,
                "beside large": BESIDE,
                "beside two": {**BESIDE, "copies": 2},
            },
        }
    ],
}


def registry() -> dict[str, Any]:
    rate = {"flag": "--lr", "type": "float", "default": 0.1, "range": [0.01, 1.0]}
    entry = {
        "path": "repos/my_repo",
        "command": [sys.executable, "-I", "-S", "train.py", "--model", "{model}", "{params}"],
        "models": [*EPOCHS],
        "per_model": {name: {"defaults": {"epochs": epochs}} for name, epochs in EPOCHS.items()},
        "supported_hyperparams": {
            "learning_rate": {**rate, "distribution": "log_uniform"},
            "epochs": {"flag": "--epochs", "type": "int", "default": 10, "scales_duration": True},
        },
        "progress": "epoch {number}/{number}",
        "performance_metrics": {
            "log_patterns": {"test_accuracy": "Test accuracy: {number}"},
            "required": ["test_accuracy"],
        },
    }
    return {"models": {"my_repo": entry}}


def furnish(workspace: Path) -> None:
    """Gives it the clone, its entry in the registry, and the settings `load.json`."""
    clone = workspace / "repos" / "my_repo"
    clone.mkdir(parents=True, exist_ok=True)
    text = TRAINING.format(program=str(program("sharing_training")))
    (clone / "train.py").write_text(text, encoding="utf-8")
    for name, content in (("models_config", registry()), ("load", SETTINGS)):
        (workspace / "settings" / f"{name}.json").write_text(json.dumps(content, indent=2))


@contextlib.contextmanager
def emulated_server(folder: Path) -> Iterator[dict[str, str]]:
    """While it runs; the environment for energyctl. folder: for the campaign's lock."""
    load = Load(
        packages=(Square(66, 69, period=47), Square(50, 52, period=31, phase=0.3)),
        dram=Constant(11),
        gpus=(Constant(70), Constant(52)),
    )
    machine = world(load, NAME=GPU, ACCOUNTING="1", UTILIZATION="/dev/null")
    with machine as server, shared_gpu("timeslice") as gpu:
        yield {
            **server.environment,
            "FAKE_SHARED": gpu.environment["FAKE_SHARED"],
            "FAKE_SHARED_GPU": "0",
            "ENERGYCTL_LOCK": str(folder / "lock"),
        }
