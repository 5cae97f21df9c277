"""Where runs are logged: what each tracker offers, and how one is opened."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from energyctl.config.settings.log_to import Tracker
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.integrations.tracking import Record
from energyctl.system.dependencies import extra_install
from energyctl.text import without_user

TITLES: dict[Tracker, str] = {"mlflow": "MLflow", "wandb": "Weights & Biases"}

URI_VARIABLES: dict[Tracker, str] = {"mlflow": "MLFLOW_TRACKING_URI", "wandb": "WANDB_BASE_URL"}
"""By which their libraries are told the store."""

Outcome = Literal["logged", "updated", "there"]
"""there: the same result was logged before, and nothing was changed."""


class StoreAway(EnergyctlError):
    """The store does not answer: the same will work once it does."""


class NotTaken(EnergyctlError):
    """The store does not take this run: the same will fail again."""


@dataclass(frozen=True)
class Target:
    """Which store: as on the command line, and in `log_to` of the settings.

    uri: None: as the tracker's own environment variables say. experiment: of MLflow, a project of
    W&B; None: by these variables, else the name of the campaign.
    """

    to: Tracker
    uri: str | None = None
    experiment: str | None = None

    @property
    def title(self) -> str:
        return TITLES[self.to]

    def command(self, results: Sequence[str]) -> str:
        """What logs these *results* there, to be typed in a shell; without a password."""
        words = ["energyctl", "log", *results, "--to", self.to]
        words += ["--uri", without_user(self.uri)] if self.uri else []
        words += ["--experiment", self.experiment] if self.experiment else []
        return shlex.join(words)


class Store(Protocol):
    """A store that was opened. All may raise StoreAway."""

    place: str
    """Where it is, in words."""

    def look(self) -> None:
        """Asks the store for something, so that one which is away is seen."""

    def log(self, record: Record, shared: bool) -> Outcome:
        """Logs a run. *shared*: its training's own run is that of others, too. Raises NotTaken."""

    def log_page(self, records: Sequence[Record], draw: Callable[[], Path]) -> Outcome:
        """Logs the page of a campaign, all of whose *records* are logged; *draw*s it where it is
        not there."""

    def close(self) -> None: ...


def require(to: Tracker) -> None:
    """Raises SettingsError where the tracker's library is not installed."""
    if importlib.util.find_spec(to) is None:
        raise SettingsError(f"{TITLES[to]}: {to} is not installed: {extra_install(to)}")
