"""Trials whose values are proposed as results come: the section `search` of a file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from energyctl.config.jsonfile.validation import Name, Strict

EnergyObjective = Literal["total", "above_idle", "marginal", "reach"]


class Search(Strict):
    """For `energyctl search`: without a limit, less energy and a better metric are both looked for;
    the registry says which side of the metric is better."""

    metric: Name
    """Of the registry, as test_accuracy."""
    energy: EnergyObjective = "total"
    """Joules of the training: all of the machine, above the idle machine, above the background
    alone (marginal), or until the metric had its value (reach)."""
    trials: int = Field(default=40, ge=1, le=100_000)
    """How many, at most."""
    runs_per_trial: int = Field(default=1, ge=1, le=1000)
    """Of the same values under each condition; their means count."""
    metric_limit: float | None = Field(default=None, allow_inf_nan=False)
    """Only the energy is an objective, among the trials whose metric is at least so good."""
    energy_limit_joules: float | None = Field(default=None, gt=0)
    """Only the metric is an objective, among the trials of at most so much energy."""
    budget_joules: float | None = Field(default=None, gt=0)
    """No trial is begun that would exceed it, by the mean of those before; all phases count."""
    budget_hours: float | None = Field(default=None, gt=0)
    """The same in hours of runs."""
    sampler: Literal["tpe", "random"] = "tpe"
    """What proposes the values: Optuna's tree-structured Parzen estimator, or the draws of run."""
