"""Spaces of made-up trainings."""

from __future__ import annotations

import json
from typing import Any

from energyctl.config import registry, settings
from energyctl.config.plan.search_space import SearchSpace, space_of

PARAMETERS: dict[str, Any] = {
    "learning_rate": {
        "type": "float", "default": 0.1, "range": [1e-5, 1.0], "distribution": "log_uniform",
    },
    "epochs": {"type": "int", "default": 20, "range": [1, 40]},
    "dropout": {"type": "float", "default": 0.2, "range": [0.1, 0.5], "zero_probability": 0.3},
    "batch": {"type": "int", "default": 64, "choices": [16, 64, 256]},
}  # fmt: skip
METRICS = {"accuracy": {"pattern": "accuracy {number}", "better": "higher"}}


def space(
    parameters: dict[str, Any] = PARAMETERS,
    seed: int = 7,
    constraints: tuple[str, ...] = (),
    experiment: dict[str, Any] | None = None,
    **search: Any,
) -> SearchSpace:
    """All parameters are searched, unless *experiment* says otherwise."""
    data = {
        "models": {
            name: {
                "path": name,
                "train_script": "train.sh",
                "models": ["small"],
                "supported_hyperparams": {
                    one: {"flag": f"--{one}", **how} for one, how in parameters.items()
                },
                "constraints": list(constraints),
                "performance_metrics": {"log_patterns": METRICS},
            }
            for name in ("tuned", "load")
        }
    }
    file = {
        "experiment_name": "x",
        "search": {"metric": "accuracy", **search},
        "experiments": [
            {"repo": "tuned", "model": "small", "mutate": ["all"], **(experiment or {})}
        ],
    }
    checked = settings.check(settings.parse(json.dumps(file), "x.json"))
    assert checked.settings is not None, checked.problems
    return space_of(checked.settings, registry.parse(data, "registry"), seed)
