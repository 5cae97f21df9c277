"""Repositories, models and hyper-parameters; how values become commands and a log metrics.

registry = read(path)                             SettingsError with all that is wrong
invocations(repository, model, values, where)     what to start, step by step: argv, cwd, env
read_metrics(metrics, pieces)                     the number that each pattern finds
read_file(metric, chunks)                         the number in a column, at a key, of a tag
"""

from __future__ import annotations

from energyctl.config.registry.arguments import config_values
from energyctl.config.registry.invocations import Invocation, invocations, parts
from energyctl.config.registry.metric_files import read_file
from energyctl.config.registry.metrics import (
    Progress,
    progress_in,
    progress_of,
    read_metrics,
    read_series,
)
from energyctl.config.registry.model import (
    Container,
    Hyperparameter,
    Metric,
    ModelOptions,
    Registry,
    Repository,
    Role,
    Step,
    Work,
)
from energyctl.config.registry.reader import parse, problems, read, read_entry, warnings
from energyctl.config.registry.reading import Point, Points, Reading
from energyctl.config.registry.resolution import (
    Interpreter,
    InvocationContext,
    resolved,
    root_of,
)
from energyctl.config.registry.schema import schema

__all__ = [
    "Container",
    "Hyperparameter",
    "Interpreter",
    "Invocation",
    "InvocationContext",
    "Metric",
    "ModelOptions",
    "Point",
    "Points",
    "Progress",
    "Reading",
    "Registry",
    "Repository",
    "Role",
    "Step",
    "Work",
    "config_values",
    "invocations",
    "parse",
    "parts",
    "problems",
    "progress_in",
    "progress_of",
    "read",
    "read_entry",
    "read_file",
    "read_metrics",
    "read_series",
    "resolved",
    "root_of",
    "schema",
    "warnings",
]
