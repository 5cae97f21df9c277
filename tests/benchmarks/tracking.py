"""Runs in a tracker: python tests/benchmarks/tracking.py --help

Makes results of runs of an hour (two packages, DRAM, two GPUs, a background job, a metric of 100
values, 20 epochs), has `energyctl log` put them into a local MLflow store in a process of its own,
and reads all of them back by MLflow's client. Then it logs them once more. Exit code 1 where that
takes longer than 60 s for 500 runs, a figure that is read back is not equal, or the second time
adds anything.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

START = 1_900_000_000.0
SECONDS_BAR, RUNS_OF_BAR = 60.0, 500
DOMAINS = (
    ("package-0", "cpu", 95.0), ("package-1", "cpu", 80.0), ("dram-0", "dram", 12.0),
    ("gpu-0", "gpu", 280.0), ("gpu-1", "gpu", 250.0),
)  # fmt: skip
VALUES, EPOCHS = 100, 20


def write_result(folder: Path, number: int, draw: random.Random) -> dict[str, Any]:
    """One run with all that a tracker is told of; returns what was written."""
    name, seconds = f"20300317_{number:06d}_front_small_parallel", 3600.0
    start = START + number * (seconds + 200)
    end, succeeded = start + seconds, number % 10 != 9
    added = {
        "above_idle_joules": 2e5 * draw.random(), "above_idle_uncertainty_joules": 20.0,
        "marginal_joules": 1e5 * draw.random(), "marginal_uncertainty_joules": 30.0,
    }  # fmt: skip
    domains = [
        {
            "name": domain, "kind": kind, "source": "made up", "measured": True, "in_total": True,
            "joules": watts * draw.uniform(0.8, 1.2) * seconds, "budget": {}, "missing": None,
            "uncertainty_joules": 0.002 * watts * seconds, **added,
        }
        for domain, kind, watts in DOMAINS
    ]  # fmt: skip

    def joules(kind: str) -> float:
        return sum(float(str(one["joules"])) for one in domains if one["kind"] == kind)

    series = {
        metric: {
            "values": [draw.random() for _ in range(VALUES)],
            "times": [start + 36 * step for step in range(VALUES)],
            "seen": VALUES, "late_seconds": 0.1,
        }
        for metric in ("loss",)
    }  # fmt: skip
    epochs = [
        {
            "epoch": epoch, "start": start + 180 * (epoch - 1), "end": start + 180 * epoch,
            "joules": 1e5 * draw.random(), "uncertainty_joules": 100.0,
            "domains": {"gpu-0": 5e4 * draw.random()}, "metrics": {"val_loss": draw.random()},
        }
        for epoch in range(1, EPOCHS + 1)
    ]  # fmt: skip
    result = {
        "schema": 1, "experiment_id": name, "campaign": "made up", "mode": "parallel",
        "status": "succeeded" if succeeded else "failed", "condition": "loaded",
        "block": number // 2 + 1, "training_seed": number, "warm_up": False,
        "foreground_result": {
            "repo": "front", "model": "small", "success": succeeded, "duration": seconds,
            "retries": number % 3, "exit_code": int(not succeeded), "error": None,
            "hyperparameters": {
                "learning_rate": 10 ** draw.uniform(-4, -1), "batch_size": draw.choice([32, 64]),
                "amp": True, "optimizer": "sgd",
            },
            "performance_metrics": {
                "loss": series["loss"]["values"][-1], "accuracy": draw.random(),
            },
            "metric_series": series, "epochs": epochs,
            "attempts": [{"attempt": 0, "start": start, "end": end}],
        },
        "background_info": {"jobs": [{
            "job": "back_model", "repo": "back", "model": "model", "iterations": 90, "failures": 0,
            "coverage": 0.995, "load": 0.97, "max_gap_seconds": 0.03, "missing": {},
        }]},
        "energy": {
            "seconds": seconds, "total_joules": sum(map(joules, ("cpu", "dram", "gpu"))),
            "uncertainty_joules": 900.0, "measured": True, "domains": domains, "missing": {},
            "cpu_package_joules": joules("cpu"), "cpu_dram_joules": joules("dram"),
            "gpu_joules": joules("gpu"), **added,
        },
        "phases": [
            {"name": phase, "start": begin, "end": until, "joules": {}, "watts": {}}
            for phase, begin, until in (("idle", start - 20, start), ("foreground", start, end))
        ],
        "warnings": ["foreign load during the foreground: other processes used 0.40 cores"],
        "environment": {
            "hostname": "node", "journal": "20300317_made_up", "started": start - 20,
            "energyctl": "1.0", "gpus": [{"index": 0, "name": "GPU"}],
        },
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(result))
    return result


def log(folder: Path, uri: str) -> tuple[float, float, str]:
    """Seconds, and those of the CPU, that `energyctl log` took; what it said."""
    command = [sys.executable, "-m", "energyctl", "log", str(folder), "--to", "mlflow"]
    # A database's files go to the folder that it is written from.
    how: dict[str, Any] = {"cwd": folder.parent, "capture_output": True, "text": True}
    began, spent = time.monotonic(), cpu_seconds()
    done = subprocess.run([*command, "--uri", uri], check=True, **how)
    return time.monotonic() - began, cpu_seconds() - spent, done.stdout.strip()


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stored(uri: str) -> dict[str, Any]:
    """By experiment id: all runs of the store that are one of ours."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("made up")
    tag = "energyctl.experiment_id"
    runs, token = [], None
    while True:
        page = client.search_runs(
            [experiment.experiment_id], f"tags.`{tag}` LIKE '%'", max_results=1000, page_token=token
        )
        runs += page
        if not (token := page.token):
            break
    for run in runs:
        run.history = {
            name: [(one.step, one.timestamp, one.value) for one in history]
            for name in ("loss", "energyctl.epoch_joules")
            if (history := client.get_metric_history(run.info.run_id, name))
        }
    return {run.data.tags[tag]: run for run in runs}


def differences(result: dict[str, Any], run: Any) -> list[str]:
    """Where a run of the store is not what its result says."""
    training, energy = result["foreground_result"], result["energy"]
    metrics = {
        "energyctl.total_joules": energy["total_joules"],
        "energyctl.total_uncertainty_joules": energy["uncertainty_joules"],
        "energyctl.gpu_joules": energy["gpu_joules"],
        "energyctl.cpu_package_joules": energy["cpu_package_joules"],
        "energyctl.cpu_dram_joules": energy["cpu_dram_joules"],
        "energyctl.marginal_joules": energy["marginal_joules"],
        "energyctl.retries": training["retries"],
        "energyctl.duration_seconds": training["duration"],
        "energyctl.job.back_model.coverage": 0.995,
        **{f"energyctl.domain.{one['name']}.joules": one["joules"] for one in energy["domains"]},
        **training["performance_metrics"],
    }
    params = {
        **{name: str(value) for name, value in training["hyperparameters"].items()},
        "repo": "front", "model": "small", "mode": "parallel", "condition": "loaded",
        "block": str(result["block"]), "training_seed": str(result["training_seed"]),
    }  # fmt: skip
    losses, epochs = training["metric_series"]["loss"], training["epochs"]
    histories = {
        "loss": [
            (step, round(1000 * when), value)
            for step, (when, value) in enumerate(
                zip(losses["times"], losses["values"], strict=True)
            )
        ],
        "energyctl.epoch_joules": [
            (one["epoch"], round(1000 * one["end"]), one["joules"]) for one in epochs
        ],
    }
    start = training["attempts"][0]["start"]
    facts = {
        "status": (run.info.status, "FINISHED" if result["status"] == "succeeded" else "FAILED"),
        "start": (run.info.start_time, round(1000 * start)),
        "end": (run.info.end_time, round(1000 * training["attempts"][0]["end"])),
        "name": (run.info.run_name, result["experiment_id"]),
        **{f"metric {n}": (run.data.metrics.get(n), value) for n, value in metrics.items()},
        **{f"parameter {n}": (run.data.params.get(n), value) for n, value in params.items()},
        **{f"series {n}": (sorted(run.history[n]), value) for n, value in histories.items()},
    }
    return [f"{what}: {one!r}, not {two!r}" for what, (one, two) in facts.items() if one != two]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS_OF_BAR)
    parser.add_argument("--store", choices=["sqlite", "file"], default="sqlite")
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tracking-") as name:
        folder, draw = Path(name) / "results", random.Random(1)
        folder.mkdir()
        results = [write_result(folder, number, draw) for number in range(wanted.runs)]
        uri = f"sqlite:///{name}/mlflow.db" if wanted.store == "sqlite" else f"file:{name}/store"
        seconds, cpu, said = log(folder, uri)
        where = f"{wanted.runs} runs into MLflow ({wanted.store})"
        print(f"{where}: {seconds:.1f} s, {cpu:.1f} s of the CPU")
        print(f"  {said}")
        runs = stored(uri)
        wrong = [
            f"{result['experiment_id']}: {line}"
            for result in results
            for line in (
                differences(result, runs[result["experiment_id"]])
                if result["experiment_id"] in runs
                else ["it is not in the store"]
            )
        ]
        print(f"  read back: {len(runs)} runs, {len(wrong)} differences")
        again, _, said = log(folder, uri)
        after = stored(uri)
        print(f"  once more: {again:.1f} s, {len(after) - len(runs)} more runs")
        print(f"  {said}")
        for line in wrong[:20]:
            print(f"  {line}")
        changed = {n for n in runs if after[n].history != runs[n].history}
    bar = SECONDS_BAR * max(wanted.runs, 100) / RUNS_OF_BAR
    good = seconds <= bar and not wrong and not changed and len(runs) == len(after) == wanted.runs
    print("within its bars" if good else "a bar is missed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
