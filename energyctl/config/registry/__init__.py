"""Repositories, models and hyper-parameters; how values become commands and a log metrics.

registry = read(path)                             SettingsError with all that is wrong
invocations(repository, model, values, where)     what to start, step by step: argv, cwd, env
read_metrics(metrics, lines)                      the number that each pattern finds
"""

from __future__ import annotations

from energyctl.config.registry.invocations import (
    Interpreter,
    Invocation,
    InvocationContext,
    invocations,
    parts,
    root_of,
)
from energyctl.config.registry.metrics import (
    extract_metrics,
    extract_metrics_from,
    progress_of,
    read_metrics,
)
from energyctl.config.registry.model import (
    Hyperparameter,
    Metric,
    ModelOptions,
    Registry,
    Repository,
    Role,
    Step,
)
from energyctl.config.registry.reader import parse, problems, read
from energyctl.config.registry.schema import schema

__all__ = [
    "Hyperparameter",
    "Interpreter",
    "Invocation",
    "InvocationContext",
    "Metric",
    "ModelOptions",
    "Registry",
    "Repository",
    "Role",
    "Step",
    "extract_metrics",
    "extract_metrics_from",
    "invocations",
    "parse",
    "parts",
    "problems",
    "progress_of",
    "read",
    "read_metrics",
    "root_of",
    "schema",
]
