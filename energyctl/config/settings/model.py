"""What an experiment file means once every default and every precedence is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from energyctl.config.places import Place
from energyctl.config.settings.schema import BackgroundSpec, CampaignFields, Mode


@dataclass(frozen=True)
class ForegroundSpec:
    """The training that is measured."""

    repo: str
    model: str
    mode: Literal["mutation", "default"]
    mutate: tuple[str, ...]
    hyperparameters: dict[str, Any]
    timeout_seconds: float | None = None
    place: Place | None = None
    reach: Mapping[str, float] = field(default_factory=dict)
    """By metric: up to which value its time and energy are told."""


@dataclass(frozen=True)
class Experiment:
    """A valid experiment; `number` is its place in the file's list, from 0.

    `repo`, `model`, `mutate` and `hyperparameters` are as written beside `mode`; what is trained
    and measured, in any mode, is `measured`.
    """

    number: int
    mode: Mode
    repo: str | None
    model: str | None
    mutate: tuple[str, ...]
    hyperparameters: dict[str, Any]
    runs_per_config: int
    measured: ForegroundSpec
    background: tuple[BackgroundSpec, ...] = ()
    description: str | None = None

    @property
    def foreground(self) -> ForegroundSpec | None:
        """The measured training of a parallel experiment; None in the other modes."""
        return self.measured if self.mode == "parallel" else None


class Settings(CampaignFields):
    """A checked file: its fields with defaults, and those of its experiments that are valid."""

    experiment_name: str
    experiments: tuple[Experiment, ...]
    separators: int

    @property
    def kept_logs(self) -> str:
        """`keep_logs` as the launcher takes it: `FIRST,LAST,FAILED,MEBIBYTES` or `all`."""
        kept = self.keep_logs
        if isinstance(kept, str):
            return kept
        return f"{kept.first},{kept.last},{kept.failed},{kept.mebibytes}"
