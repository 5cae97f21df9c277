"""Pairs of trainings that share a simulated GPU, through the whole of energyctl."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import Bench
from hardware.compiled import program
from hardware.shared_gpu import Parts, SharedGpu, SharingTruth, shared_gpu

HEAVY = {"watts": 300.0, "busy": 20.0, "host": 5.0, "units": 280}
LIGHT = {"watts": 150.0, "busy": 12.0, "host": 8.0, "units": 60}
"""See sharing_training.c. Alone, 7 s and 1.2 s."""


def registry() -> dict[str, Any]:
    """One repository, `shared`, with two models: heavy and light."""
    flags = {
        "watts": "float", "busy": "float", "host": "float", "units": "int",
        "then_watts": "float", "after": "int",
    }  # fmt: skip
    models = {"heavy": HEAVY, "light": LIGHT}
    entry = {
        "command": [str(program("sharing_training")), "--name", "{model}", "{params}"],
        "models": [*models],
        "per_model": {name: {"defaults": values} for name, values in models.items()},
        "supported_hyperparams": {
            name: {"flag": f"--{name.replace('_', '-')}", "type": kind, "default": 0}
            for name, kind in flags.items()
        },
        "progress": "epoch {number}/{number}",
        "performance_metrics": {
            "log_patterns": {"accuracy": "Accuracy: {number}"},
            "required": ["accuracy"],
        },
    }
    return {"models": {"shared": entry}}


def training(model: str, **values: float) -> dict[str, Any]:
    return {"repo": "shared", "model": model, "hyperparameters": values}


@dataclass(frozen=True)
class World:
    """A GPU, and what runs on it.

    parameters: of shared_gpu.c. beside: runs from before the campaign to its end.
    """

    name: str
    world: str = "timeslice"
    parameters: dict[str, Any] = field(default_factory=dict)
    foreground: dict[str, Any] = field(default_factory=lambda: training("heavy"))
    background: dict[str, Any] = field(default_factory=lambda: training("light"))
    beside: Callable[[SharedGpu], AbstractContextManager[Any]] = lambda gpu: nullcontext()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Pair:
    """The results of a run alone and one beside, and the truth."""

    alone: dict[str, Any]
    beside: dict[str, Any]
    truth: SharingTruth
    folder: Path
    """Of both results."""

    def parts(self, result: dict[str, Any]) -> Parts:
        """The truth over its foreground."""
        return self.truth.between(*window(result))


def window(result: dict[str, Any]) -> tuple[float, float]:
    """The Unix times between which its foreground was metered."""
    (phase,) = (one for one in result["phases"] if one["name"] == "foreground")
    return phase["start"], phase["end"]


def run_pair(bench: Bench, world: World, **settings: Any) -> Pair:
    """Runs it alone and beside; settings: fields of the settings file."""
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry()))
    experiment = {
        **world.foreground,
        "mode": "default",
        "conditions": {"alone": None, "beside": world.background},
    }
    quick = {
        "seed": 1,
        "idle_seconds": 2,
        "sample_interval_seconds": 0.5,
        "settle": {"seconds": 3, "timeout_seconds": 30},
        "references": {"context_held_seconds": 2},
    }
    name = bench.settings(experiments=[experiment], **{**quick, **settings})
    with shared_gpu(world.world, **world.parameters) as gpu:
        bench.env |= gpu.environment
        with world.beside(gpu):
            done = bench.run("run", name)
        assert done.returncode == 0, done.stdout + done.stderr
        truth = gpu.truth()
    by = {result["condition"]: result for result in bench.results()}
    return Pair(by["alone"], by["beside"], truth, bench.root / "results")
