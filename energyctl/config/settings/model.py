"""What an experiment file means once every default and every precedence is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from energyctl.config.places import Place
from energyctl.config.settings.footprint import Co2e, Price
from energyctl.config.settings.references import References
from energyctl.config.settings.schema import BackgroundSpec, CampaignFields, Mode, Order

ALONE = "alone"
"""The label of the condition in which nothing stands beside the training."""


@dataclass(frozen=True)
class ForegroundSpec:
    """The training that is measured."""

    repo: str
    model: str
    mode: Literal["mutation", "default", "grid"]
    mutate: tuple[str, ...]
    hyperparameters: dict[str, Any]
    timeout_seconds: float | None = None
    place: Place | None = None
    reach: Mapping[str, float] = field(default_factory=dict)
    """By metric: up to which value its time and energy are told."""
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """By hyper-parameter, or setting of the machine: the levels, as written."""
    exclude: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Condition:
    """What stands beside the training, and its label, empty for the derived one; without
    background, nothing does."""

    label: str
    background: tuple[BackgroundSpec, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """A valid experiment; `number` is its place in the file's list, from 0.

    `repo`, `model`, `mutate` and `hyperparameters` are as written beside `mode`; what is trained
    and measured, in any mode, is `measured`. There are `conditions` in place of `background`, or
    none; with them `mode` is that of the training, or parallel where it stands in `foreground`.
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
    conditions: tuple[Condition, ...] = ()
    order: Order = "as_written"
    references: References | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    """What of the machine is set for its runs (`machine.MACHINE_SETTINGS`), but for levels of the
    grid."""

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
    def footprint_factors(self) -> dict[str, dict[str, Any]]:
        """The stated factors by field, each with all keys of its object, null for what is not
        stated."""
        given = {
            "co2e_grams_per_kwh": (self.co2e_grams_per_kwh, Co2e),
            "price_per_kwh": (self.price_per_kwh, Price),
        }
        return {
            name: (value if isinstance(value, kind) else kind(value=value)).model_dump()
            for name, (value, kind) in given.items()
            if value is not None
        }

    @property
    def kept_logs(self) -> str:
        """`keep_logs` as the launcher takes it: `FIRST,LAST,FAILED,MEBIBYTES` or `all`."""
        kept = self.keep_logs
        if isinstance(kept, str):
            return kept
        return f"{kept.first},{kept.last},{kept.failed},{kept.mebibytes}"
