"""Results of a campaign that found something: what a page says first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from written_results import write_shared_pair

LONG = "beside a_repository_with_a_long_name/a_model + 2 × another_repository/with_another_model"


def write_found(folder: Path) -> Path:
    """Four blocks of three conditions with shares; the last run has a series and power samples."""
    for number, (condition, busy) in enumerate((("loaded", 14.0), (LONG, 9.0))):
        for block in (1, 2, 3, 4):
            used = busy + 0.3 * block
            written = write_shared_pair(
                folder, block, condition=condition, busy=(used, 10.0),
                joules=3000 + 200 * (used + 10), started=1.8e9 + 1000 * block + 300 * number,
            )  # fmt: skip
    _with_series(folder, written[1])
    return folder


def _with_series(folder: Path, run: dict[str, Any]) -> None:
    start = run["environment"]["started"]
    values = {"values": [0.5, 0.7, 0.9], "times": [start + 5, start + 12, start + 20]}
    run["foreground_result"]["metric_series"] = {
        "accuracy_on_a_test_set_with_a_long_name": values | {"seen": 3, "late_seconds": 0.05}
    }
    run["background_info"]["jobs"][0]["job"] = "a_background_job_with_a_long_name"
    run["warnings"] = ["foreign load: 0.5 cores"]
    for one in run["phases"]:
        one["joules"] = {"gpu-0": 100.0 * (one["end"] - one["start"])}
        one["watts"] = {"gpu-0": 100.0}
    (folder / f"{run['experiment_id']}.json").write_text(json.dumps(run))
    samples = folder / f"energy_{run['experiment_id']}_attempt0"
    samples.mkdir()
    lines = [f"{start + second},0,{300 + second},{300 * second}" for second in range(25)]
    (samples / "gpu_power.csv").write_text(
        "\n".join(["timestamp,gpu,power_draw_w,energy_j", *lines]) + "\n"
    )
