"""Results as files, with chosen energies, for what reads them."""

from __future__ import annotations

import json
import random
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
