"""Results of a campaign over levels of a factor, as a machine setting, with a known truth."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from energyctl.config.settings.machine import MACHINE_SETTINGS
from written_results import background_job, pair_result

LIMITS = {700.0: (9000.0, 20.0), 500.0: (8000.0, 22.0), 300.0: (8700.0, 30.0)}
"""Watts → joules and seconds: the least energy is in the middle, and 300 W takes more of both."""
WORSE = {**LIMITS, 200.0: (9500.0, 45.0)}


def write_levels(
    folder: Path,
    levels: Mapping[Any, tuple[float, float]],
    *,
    name: str = "gpu_power_limit_watts",
    blocks: int = 5,
    conditions: Sequence[tuple[str, float]] = (("alone", 1.0),),
    enforced: Mapping[Any, Any] | None = None,
    spread: float = 0.004,
    model: str = "small",
    values: Mapping[str, Any] | None = None,
) -> Path:
    """Blocks of one run at each level, in a drawn order; with conditions a block is of one level.

    conditions: label, and the factor of energy and time. enforced: by level, where it differs.
    spread: standard deviation of the runs, as a share. values: further requested settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(f"{name}{model}")
    started, number = 1_800_000_000.0 + 1000 * len(list(folder.iterdir())), 0
    for repetition in range(1, blocks + 1):
        cells = [(level, condition) for level in levels for condition in conditions]
        draw.shuffle(cells)
        for level, (label, factor) in cells:
            number += 1
            started += 100
            joules, seconds = (x * factor * (1 + draw.gauss(0, spread)) for x in levels[level])
            block = repetition
            if len(conditions) > 1:
                block = (repetition - 1) * len(levels) + [*levels].index(level) + 1
            load = None if label == "alone" else 100.0
            one = pair_result(folder.name, block, label, started, seconds, joules, 100.0, load)
            one["training_seed"] = repetition
            if load is not None:
                one["background_info"] = {"jobs": [background_job("back", (2.0, 1.5), seconds)]}
            of_machine = name in MACHINE_SETTINGS
            parameters = {"epochs": 10, **({} if of_machine else {name: level})}
            one["foreground_result"] |= {"model": model, "hyperparameters": parameters}
            asked = {**(values or {}), **({name: level} if of_machine else {})}
            one["machine_settings"] = {
                key: setting(key, value, (enforced or {}).get(value, value))
                for key, value in asked.items()
            }
            if name == "gpu_power_limit_watts":
                limit = one["machine_settings"][name]["gpus"][0]["enforced"]
                one["environment"]["gpus"][0]["power_limit_watts"] = limit
            one["environment"]["run"] = {
                "index": number, "experiment": 0, "repetition": repetition, "mutated": [],
                "grid": [name], "machine": asked,
            }  # fmt: skip
            (folder / f"{one['experiment_id']}.json").write_text(json.dumps(one))
    return folder


def setting(name: str, requested: Any, enforced: Any) -> dict[str, Any]:
    """As a result has it, of one GPU."""
    if name == "governor":
        return {"requested": requested, "enforced": [enforced]}
    before = {"before": 700.0} if name == "gpu_power_limit_watts" else {}
    gpu = {"index": 0, "uuid": "GPU-1", **before, "enforced": enforced}
    return {"requested": requested, "gpus": [gpu]}


def write_grid(
    folder: Path,
    levels: Mapping[Any, tuple[float, float]],
    epochs: Mapping[int, float],
    *,
    blocks: int = 3,
    failed: Callable[[int, float, int], bool] = lambda repetition, level, epochs: False,
) -> Path:
    """Over power limits and epochs: *epochs* → the factor of energy and time of these, exact to the
    joule but for 0.1 % from block to block. failed: by repetition, level and epochs."""
    write_levels(folder, levels, blocks=blocks, spread=0.0)
    for file in sorted(folder.glob("*.json")):
        first = json.loads(file.read_text())
        file.unlink()
        run = first["environment"]["run"]
        run["grid"] = ["gpu_power_limit_watts", "epochs"]
        level, repetition = run["machine"]["gpu_power_limit_watts"], run["repetition"]
        for number, (value, factor) in enumerate(epochs.items()):
            one = json.loads(json.dumps(first))
            one["experiment_id"] = f"{first['experiment_id']}_{number}"
            one["foreground_result"]["hyperparameters"]["epochs"] = value
            scale = factor * (1 + 0.001 * (repetition - blocks / 2))
            one["foreground_result"]["duration"] *= scale
            one["energy"]["total_joules"] *= scale
            for key in ("joules", "own_joules"):
                one["energy"]["domains"][0][key] *= scale
            if failed(repetition, level, value):
                one["status"] = "failed"
                one["foreground_result"]["success"] = False
            (folder / f"{one['experiment_id']}.json").write_text(json.dumps(one))
    return folder
