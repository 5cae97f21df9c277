"""Repositories, models and hyper-parameters; how values become a command and a log metrics. Pure.

registry = read(path)                          SettingsError with all that is wrong
invocation(repository, model, values, …)       what to start: argv, cwd, env
extract_metrics(repository, text)              the last match of each pattern
"""

from __future__ import annotations

from energyctl.registry.commands import Invocation, invocation
from energyctl.registry.fields import schema
from energyctl.registry.metrics import extract_metrics, extract_metrics_from
from energyctl.registry.reading import parse, problems, read
from energyctl.registry.repositories import Hyperparameter, Registry, Repository

__all__ = [
    "Hyperparameter",
    "Invocation",
    "Registry",
    "Repository",
    "extract_metrics",
    "extract_metrics_from",
    "invocation",
    "parse",
    "problems",
    "read",
    "schema",
]
