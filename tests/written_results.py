"""Results as files, with chosen energies, for what reads them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def write_runs(folder: Path, mode: str, joules: list[float], **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(mode)
    for number, total in enumerate(joules):
        name = f"20300317_17{len(list(folder.glob('*.json'))):04d}_front_small"
        domain = {
            "name": "gpu-0", "kind": "gpu", "source": "nvml", "measured": True, "in_total": True,
            "joules": total, "uncertainty_joules": 1.0, "missing": None,
        }  # fmt: skip
        data = {
            "schema": 1, "experiment_id": name, "campaign": folder.name, "mode": mode,
            "status": "succeeded",
            "foreground_result": {
                "repo": "front", "model": "small", "success": True, "duration": 10.0 + number,
                "hyperparameters": {"lr": draw.random(), "epochs": 10}, "attempts": [],
                "performance_metrics": {"accuracy": 0.9},
            },
            "energy": {
                "seconds": 10.0, "total_joules": total, "uncertainty_joules": 1.0,
                "gpu_joules": total, "measured": True, "domains": [domain],
            },
            "phases": [], "warnings": [], "environment": {"hostname": "node"}, **changes,
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


def write_pair(
    folder: Path,
    block: int | None,
    *,
    seconds: tuple[float, float] = (20.0, 25.0),
    joules: tuple[float, float] = (6000.0, 10000.0),
    load_watts: float = 300.0,
    idle_watts: float = 100.0,
    rates: tuple[float, float] = (2.0, 1.5),
    condition: str = "loaded",
    started: float = 1_800_000_000.0,
    alone: dict[str, Any] | None = None,
    beside: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run alone and one beside a background as results of one GPU; returns what was written.

    seconds, joules: of the training alone and beside. rates: iterations of the background per
    second while it is alone and beside. alone, beside: changes of the two documents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = pair_result(folder.name, block, "alone", started, seconds[0], joules[0], idle_watts)
    second = pair_result(
        folder.name, block, condition, started + 100, seconds[1], joules[1], idle_watts, load_watts
    )
    start = second["phases"][1]["start"]
    second["background_info"] = {
        "repo": "back", "model": "large", "hyperparameters": {}, "note": "",
        "jobs": [background_job("back_large", rates, seconds[1])], "stop": None, "settle": None,
    }  # fmt: skip
    second["phases"] = [
        phase("background_only", start - 10, start),
        *second["phases"][1:],
        phase("background_only", start + seconds[1], start + seconds[1] + 10),
    ]
    first |= alone or {}
    second |= beside or {}
    for one in (first, second):
        (folder / f"{one['experiment_id']}.json").write_text(json.dumps(one))
    return first, second


def write_shared_pair(
    folder: Path,
    block: int | None,
    *,
    busy: tuple[float, float] = (14.0, 10.0),
    joules: float = 7800.0,
    jobs: dict[str, float] | None = None,
    twins: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same with what its energy is divided by: a phase in which a context was held, at 120 W
    ± 0.1 W, and how busy each kept the GPU; returns what was written.

    With `joules` as it stands, kernels of either draw 200 W: alone the training runs kernels for 18
    of 20 s, the load for 0.9 of each second (300 W); beside, `busy` says how long foreground and
    background did, of 25 s in which both held a context. jobs: the background's busy seconds by
    job. twins: what the GPU's facts say of a test with twins.
    """
    first, second = write_pair(folder, block, joules=(6000.0, joules), **more)
    training = span("foreground", 25.0, joules / 25, busy, jobs)
    loads = [span(f"load_{name}", 10.0, 300.0, (None, 9.0)) for name in ("before", "after")]
    first["activity"] = [span("foreground", 20.0, 300.0, (18.0, None))]
    second["activity"] = [loads[0], training, loads[1]]
    for one in (first, second):
        idle = next((p["end"] for p in one["phases"] if p["name"] == "idle"), None)
        if idle is None:
            idle = one["environment"]["started"] - 10
            one["phases"].insert(0, phase("idle", idle - 10, idle))
        one["phases"].insert(1, phase("context_held", idle, idle + 5))
        for number, watts in enumerate((100.0, 120.0)):
            each = one["phases"][number]
            seconds = each["end"] - each["start"]
            each["joules"] = {"gpu-0": watts * seconds}
            each["uncertainty_joules"] = {"gpu-0": 0.05 * seconds}
        one["activity"].insert(0, span("context_held", 5.0, 120.0, (None, None)))
        if twins is not None:
            one["environment"]["gpus"][0]["twins"] = twins
        (folder / f"{one['experiment_id']}.json").write_text(json.dumps(one))
    return first, second


def with_wall(result: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same with a meter of the whole machine as the total, *factor* × its GPU."""
    one: dict[str, Any] = copy.deepcopy(result)
    energy = one["energy"]
    (gpu,) = energy["domains"]
    joules = factor * gpu["joules"]
    wall = {**gpu, "name": "wall", "kind": "other", "source": "shelly", "joules": joules}
    gpu["in_total"] = False
    energy |= {"domains": [gpu, wall], "total_joules": joules, "gpu_joules": None}
    return one


def span(
    name: str,
    seconds: float,
    watts: float,
    busy: tuple[float | None, float | None],
    jobs: dict[str, float] | None = None,
) -> dict[str, Any]:
    """How busy foreground and background kept the GPU; None: it was not there."""
    sides = [
        None if one is None else {"busy_seconds": one, "context_seconds": seconds} for one in busy
    ]
    there = [one for one in busy if one is not None]
    of_jobs = {} if busy[1] is None else jobs or {"back_large": busy[1]}
    domain = {
        "watts": watts, "uncertainty_watts": 0.1, "source": "accounting", "foreground": sides[0],
        "background": sides[1], "jobs": of_jobs, "both_seconds": seconds if len(there) == 2 else 0,
        "other_seconds": 0.0, "device_seconds": sum(there), "busy_uncertainty_seconds": 0.05,
        "unknown_seconds": 0.0, "mhz": 1500.0,
    }  # fmt: skip
    return {"span": name, "seconds": seconds, "domains": {"gpu-0": domain}}


def phase(name: str, start: float, end: float) -> dict[str, Any]:
    return {
        "name": name, "start": start, "end": end, "joules": {}, "uncertainty_joules": {},
        "watts": {},
    }  # fmt: skip


def background_job(name: str, rates: tuple[float, float], seconds: float) -> dict[str, Any]:
    """A job of which the load alone was seen for 10 s before the training, and as long after."""
    lengths = {"background_only": (10.0, rates[0]), "foreground": (seconds, rates[1])}
    work = [
        {
            "phase": one, "seconds": lengths[one][0], "unit": "iterations", "uncertainty": 0.1,
            "amount": lengths[one][0] * lengths[one][1],
        }
        for one in ("background_only", "foreground", "background_only")
    ]  # fmt: skip
    return {
        "job": name, "repo": "back", "model": "large", "hyperparameters": {}, "iterations": 0,
        "failures": 0, "coverage": 1.0, "max_gap_seconds": 0.0, "load": 1.0, "missing": {},
        "utilization": {"gpu_percent": None, "cpu_cores": None, "source": None}, "logs": None,
        "error": None, "work": work,
    }  # fmt: skip


def pair_result(
    campaign: str,
    block: int | None,
    condition: str,
    started: float,
    seconds: float,
    joules: float,
    idle_watts: float,
    load_watts: float | None = None,
) -> dict[str, Any]:
    """A run of 1 J of own and 2 J of common uncertainty; its load's power is known to 0.1 W, its
    idle one to 0.05 W."""
    number, start = int(started - 1_800_000_000), started
    ended = start + seconds
    marginal = None if load_watts is None else joules - load_watts * seconds
    figures = {
        "uncertainty_joules": 3.0, "own_joules": 1.0, "common_joules": 2.0,
        "above_idle_joules": joules - idle_watts * seconds,
        "above_idle_uncertainty_joules": 3.0 + 0.05 * seconds,
        "marginal_joules": marginal,
        "marginal_uncertainty_joules": None if marginal is None else 3.0 + 0.1 * seconds,
    }  # fmt: skip
    domain = {
        "name": "gpu-0", "kind": "gpu", "source": "nvml", "measured": True, "in_total": True,
        "joules": joules, **figures, "budget": {"interpolation": 1.0, "delay": 2.0},
        "missing": None,
    }  # fmt: skip
    attempt = {
        "attempt": 0, "success": True, "start": start, "end": ended, "duration": seconds,
        "exit_code": 0, "error": None, "performance_metrics": {}, "log": "x.log",
        "end_of_processes": None, "steps": [],
    }  # fmt: skip
    beside = load_watts is not None
    return {
        "schema": 1,
        "experiment_id": f"20300317_{number:06d}_front_small{'_parallel' if beside else ''}",
        "campaign": campaign, "mode": "parallel" if beside else "default", "status": "succeeded",
        "condition": condition, "block": block, "training_seed": block, "warm_up": False,
        "foreground_result": {
            "experiment_id": f"20300317_{number:06d}_front_small", "success": True,
            "duration": seconds, "retries": 0, "repo": "front", "model": "small",
            "hyperparameters": {"lr": 0.1 + (block or 0), "epochs": 10}, "exit_code": 0,
            "error": None, "performance_metrics": {"accuracy": 0.9}, "log": "x.log",
            "outputs": None, "attempts": [attempt],
        },
        "background_info": None,
        "energy": {
            "seconds": seconds, "total_joules": joules, **figures, "cpu_package_joules": None,
            "cpu_dram_joules": None, "gpu_joules": joules, "measured": True, "domains": [domain],
            "missing": {},
        },
        "energy_missing": None,
        "phases": [phase("idle", start - 20, start - 10), phase("foreground", start, ended)],
        "warnings": [],
        "environment": {
            "hostname": "node", "journal": f"20300317_{campaign}", "started": start - 20,
            "gpus": [{
                "index": 0, "name": "GPU", "uuid": "GPU-1", "driver": "1",
                "power_limit_watts": 300.0, "persistence_mode": True,
            }],
        },
    }  # fmt: skip


WALL_PHASES = (
    ("idle", 60.0, 60.0, 70.0), ("background_start", 10.0, 70.0, 120.0),
    ("background_only", 60.0, 75.0, 210.0), ("foreground", 120.0, 100.0, 480.0),
    ("cooldown", 30.0, 60.0, 80.0),
)  # fmt: skip
"""Name, seconds, watts of the package and of the GPU."""


def write_wall_run(
    folder: Path,
    name: str,
    phases: Sequence[tuple[str, float, float, float]] = WALL_PHASES,
    wall: Callable[[float, float], float] | None = lambda cpu, gpu: 80 + 1.1 * (cpu + gpu),
    **changes: Any,
) -> dict[str, Any]:
    """A run on a machine with a package, a GPU and, but for `wall` None, a meter at the wall, which
    states 1 %; all are within 0.5 W more in each phase. Returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written, time, watts = list[dict[str, Any]](), 1_800_000_000.0, dict[str, float]()
    training = next(one for one in phases if one[0] == "foreground")
    for each, seconds, cpu, gpu in phases:
        watts = _watts(cpu, gpu, wall)
        written.append(
            {
                **phase(each, time, time + seconds),
                "joules": {domain: power * seconds for domain, power in watts.items()},
                "uncertainty_joules": {
                    domain: (0.5 + (0.01 * power if domain == "wall" else 0)) * seconds
                    for domain, power in watts.items()
                },
            }
        )
        time += seconds
    watts, seconds = _watts(*training[2:], wall), training[1]
    kinds = {"package-0": "cpu", "gpu-0": "gpu", "wall": "other"}
    domains = [
        {
            "name": domain, "kind": kinds[domain], "source": "stand-in", "measured": True,
            "in_total": domain != "wall", "joules": power * seconds, "missing": None,
            "uncertainty_joules": (0.5 + (0.01 * power if domain == "wall" else 0)) * seconds,
            "budget": {"stated": 0.01 * power * seconds if domain == "wall" else 0.0},
        }
        for domain, power in watts.items()
    ]  # fmt: skip
    joules = sum(training[2:]) * seconds
    data = {
        "schema": 1, "experiment_id": name, "campaign": folder.name, "mode": "default",
        "status": "succeeded",
        "foreground_result": {
            "repo": "front", "model": "small", "success": True, "duration": seconds,
            "hyperparameters": {}, "attempts": [], "performance_metrics": {},
        },
        "energy": {
            "seconds": seconds, "total_joules": joules, "uncertainty_joules": seconds,
            "gpu_joules": training[3] * seconds, "measured": True, "domains": domains,
        },
        "phases": written, "warnings": [],
        "environment": {"hostname": "node-7", "gpus": [{"index": 0, "uuid": "GPU-1"}]}, **changes,
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(data))
    return data


def _watts(
    cpu: float, gpu: float, wall: Callable[[float, float], float] | None
) -> dict[str, float]:
    watts = {"package-0": cpu, "gpu-0": gpu}
    return watts if wall is None else {**watts, "wall": wall(cpu, gpu)}
