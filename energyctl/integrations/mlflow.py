"""Runs in MLflow stores (extra `mlflow`)."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from energyctl.errors import SettingsError
from energyctl.integrations.mlflow_part import MlflowPart
from energyctl.integrations.store import NotTaken, Outcome, StoreAway, Target
from energyctl.integrations.tracking import EXPERIMENT_ID, OwnRun, Record
from energyctl.system.dependencies import pip_install
from energyctl.text import without_user

QUIET = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # a folder that the user names, in maintenance or not
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""MLflow's environment, where the user's does not say otherwise."""

DATABASES = ("sqlite", "mysql", "postgresql", "mssql")
CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


class MlflowStore:
    """The store that was asked for, and those in which trainings have runs of their own."""

    def __init__(self, target: Target, say: Callable[[str], None]) -> None:
        self._target, self._say = target, say
        self._main = _opened(target.uri)
        self._others = dict[str, MlflowPart]()
        self.place = self._main.place

    def look(self) -> None:
        self._main.look()

    def log(self, record: Record, shared: bool) -> Outcome:
        if record.own is not None and (found := self._own(record, record.own)) is not None:
            part, run = found
            holds = run.data.tags.get(EXPERIMENT_ID)
            shared = shared or os.environ.get("MLFLOW_RUN_ID") == record.own.run_id
            with self._apart(part):
                if holds == record.experiment_id or not (shared or holds):
                    return part.log_into(record, run)
                return part.log(record, run.info.experiment_id, parent=run.info.run_id)
        return self._main.log(record, self._main.experiment(self._experiment_of(record)))

    def log_page(self, records: Sequence[Record], draw: Callable[[], Path]) -> Outcome:
        experiment = self._main.experiment(self._experiment_of(records[0]))
        return self._main.log_page(records, experiment, draw)

    def close(self) -> None:
        """MLflow keeps nothing open that would have to be ended."""

    def _experiment_of(self, record: Record) -> str:
        named = self._target.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        return named or record.campaign or "energyctl"

    def _own(self, record: Record, own: OwnRun) -> tuple[MlflowPart, Any] | None:
        """The run that the training has itself; None, after a word on it, where there is none.

        Raises NotTaken where it is in another store, which is away: other runs do not wait for it.
        """
        try:
            part = self._part_of(own)
            with self._apart(part):
                run = part.run(own.run_id)
            if run is not None:
                return part, run
            why = f"it is not in {part.place}"
        except SettingsError as error:
            why = str(error)
        self._say(
            f"{record.experiment_id}: the training's own run {own.run_id} is passed over, {why}; "
            "it gets another one"
        )
        return None

    @contextmanager
    def _apart(self, part: MlflowPart) -> Iterator[None]:
        try:
            yield
        except StoreAway as error:
            if part is self._main:
                raise
            raise NotTaken(f"the training's own run is in another store: {error}") from error

    def _part_of(self, own: OwnRun) -> MlflowPart:
        """The store in which the training's own run is. Raises SettingsError."""
        uri = own.uri
        if uri is None or uri == self._main.uri:
            return self._main
        secrets = any(os.environ.get(name) for name in CREDENTIALS)
        if secrets and urlsplit(uri).scheme in ("http", "https"):
            raise SettingsError(
                f"{without_user(uri)} shall not be told the credentials for {self.place}"
            )
        if uri not in self._others:
            self._others[uri] = _opened(uri)
        return self._others[uri]


def _opened(uri: str | None) -> MlflowPart:
    """The store at *uri*; None: as MLflow's environment says. Raises SettingsError."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module="mlflow")
    import mlflow
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    uri = uri or mlflow.get_tracking_uri()
    database = urlsplit(uri).scheme.partition("+")[0] in DATABASES
    if database and importlib.util.find_spec("sqlalchemy") is None:
        shown = without_user(uri)
        raise SettingsError(
            f"MLflow needs its whole package for {shown}: {pip_install('mlflow')}; as it is "
            "installed, it takes a server or a folder: --uri http://… or --uri file:…"
        )
    try:
        return MlflowPart(uri, mlflow.MlflowClient(uri))
    except (MlflowException, OSError, ValueError) as error:
        why = without_user(" ".join(str(error).split()))
        raise SettingsError(f"MLflow cannot use {without_user(uri)}: {why}") from error
