"""What an experiment file means once every default and every precedence is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
        """`keep_logs` as the launcher takes it: `FIRST,LAST,FAILED` or `all`."""
        kept = self.keep_logs
        return kept if isinstance(kept, str) else f"{kept.first},{kept.last},{kept.failed}"
