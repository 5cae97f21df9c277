"""One MLflow store: one query per experiment finds what is there, and the hash is written last."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from energyctl.integrations.mlflow_names import (
    LONGEST_PARAMETER,
    LONGEST_TAG,
    MOST_METRICS,
    MOST_PARAMETERS,
    batches,
    keys_of,
    milliseconds,
    value_of,
)
from energyctl.integrations.store import NotTaken, Outcome, StoreAway
from energyctl.integrations.tracking import EXPERIMENT_ID, PREFIX, SHA256, Record, digest_of
from energyctl.text import one_line, without_user

SEARCHED = 1000
"""Runs that MLflow hands out at once."""

STATUSES = {"succeeded": "FINISHED", "failed": "FAILED"}
PARENT, SOURCE = "mlflow.parentRunId", {"mlflow.source.name": "energyctl"}

PAGE_OF, PAGE_RUNS = f"{PREFIX}page_of", f"{PREFIX}page_runs"
"""Tags of a run that holds the page of a campaign: the campaign's journal, and of how many runs."""

REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE")
"""Codes of MLflow for what it will not take at another time, either."""


class MlflowPart:
    """The store at *uri*, by MLflow's client."""

    def __init__(self, uri: str, client: Any) -> None:
        self.uri, self._client = uri, client
        self.place = without_user(uri)
        self._experiments = dict[str, str]()
        self._known = dict[str, dict[str, Any]]()

    def look(self) -> None:
        """Whether it answers; what others have logged is seen from now on."""
        self._known.clear()
        with self._answering():
            self._client.search_experiments(max_results=1)

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made where there is none."""
        if name not in self._experiments:
            with self._answering():
                found = self._client.get_experiment_by_name(name)
                if found is not None and found.lifecycle_stage != "active":
                    raise NotTaken(
                        f"the MLflow experiment {name!r} is deleted: restore it, or name another "
                        "with --experiment"
                    )
                made = self._client.create_experiment(name) if found is None else None
            self._experiments[name] = str(made or found.experiment_id)
        return self._experiments[name]

    def run(self, run_id: str) -> Any | None:
        """None where there is none, or it was deleted."""
        from mlflow.exceptions import MlflowException

        with self._answering():
            try:
                run = self._client.get_run(run_id)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", *REFUSED):
                    return None
                raise
        return run if run.info.lifecycle_stage == "active" else None

    def log(self, record: Record, experiment: str, parent: str | None = None) -> Outcome:
        """As a run of its own in that experiment; *parent*: the run that it is nested in."""
        run = self._runs_of(experiment).get(record.experiment_id)
        if run is not None and run.data.tags.get(SHA256) == record.sha256:
            return "there"
        with self._answering():
            new = run is None
            if run is None:
                nested = {} if parent is None else {PARENT: parent}
                run = self._client.create_run(
                    experiment,
                    start_time=milliseconds(record.started),
                    tags={**_tags(record), **nested, **SOURCE},
                    run_name=record.experiment_id,
                )
                self._runs_of(experiment)[record.experiment_id] = run
            self._end(run, STATUSES.get(record.status, "KILLED"), record.ended)
            return self._write(run, record, own=False, new=new)

    def log_into(self, record: Record, run: Any) -> Outcome:
        """Into the run of the training itself, whose parameters, metrics and status stay."""
        if run.data.tags.get(SHA256) == record.sha256:
            return "there"
        with self._answering():
            return self._write(run, record, own=True, new=False)

    def log_page(
        self, records: Sequence[Record], experiment: str, draw: Callable[[], Path]
    ) -> Outcome:
        """As a run that stands for the campaign. A page of fewer runs replaces none of more."""
        journal, digest = records[0].journal, digest_of(records)
        with self._answering():
            quoted = journal.replace("'", "")
            run = next(self._search(experiment, f"tags.`{PAGE_OF}` = '{quoted}'"), None)
        if run is not None:
            there = run.data.tags
            if there.get(SHA256) == digest or int(there.get(PAGE_RUNS, 0)) > len(records):
                return "there"
        page = draw()
        with self._answering():
            if run is None:
                started = min((one.started for one in records if one.started), default=None)
                run = self._client.create_run(
                    experiment,
                    start_time=milliseconds(started),
                    tags={PAGE_OF: quoted, **SOURCE},
                    run_name=f"page of {journal or 'a campaign'}",
                )
            self._put(run, page)
            ended = max((one.ended for one in records if one.ended), default=None)
            self._end(run, "FINISHED", ended)
            return self._seal(run, digest, {PAGE_RUNS: str(len(records))})

    # -- what is there -----------------------------------------------------------------------------

    def _runs_of(self, experiment: str) -> dict[str, Any]:
        """By experiment id: all that energyctl has logged in an experiment."""
        if experiment not in self._known:
            with self._answering():
                found = list(self._search(experiment, f"tags.`{EXPERIMENT_ID}` LIKE '%'"))
            self._known[experiment] = {run.data.tags[EXPERIMENT_ID]: run for run in found}
        return self._known[experiment]

    def _search(self, experiment: str, wanted: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment], wanted, max_results=SEARCHED, page_token=token
            )
            yield from page
            if not (token := page.token):
                return

    def _lacking(self, run: Any, metrics: Sequence[Any], ended: float) -> Iterator[Any]:
        """Those that a run lacks which was cut off, or is of an earlier version of the result.

        What has changed is logged with the time of now: the latest is what MLflow shows.
        """
        now = round(1000 * max(time.time(), ended + 0.001))
        from mlflow.entities import Metric

        points, latest = Counter(one.key for one in metrics), run.data.metrics
        steps = dict[str, dict[int, float]]()
        for one in metrics:
            if one.key not in latest:
                yield one
                continue
            if points[one.key] == 1:
                there = {one.step: latest[one.key]}
            elif one.key not in steps:
                history = self._client.get_metric_history(run.info.run_id, one.key)
                ordered = sorted(history, key=lambda old: old.timestamp)
                there = steps[one.key] = {old.step: old.value for old in ordered}
            else:
                there = steps[one.key]
            if one.step not in there:
                yield one
            elif there[one.step] != one.value:
                yield Metric(one.key, one.value, now, one.step)

    # -- what is written ---------------------------------------------------------------------------

    def _write(self, run: Any, record: Record, *, own: bool, new: bool) -> Outcome:
        """All but the status. new: its tags are there, and nothing else."""
        from mlflow.entities import Param

        parameters = [
            Param(name, value_of(value, LONGEST_PARAMETER))
            for name, value in keys_of({} if own else record.parameters).items()
            if name not in run.data.params  # MLflow lets none change
        ]
        tags = {} if new else _tags(record)
        metrics = list(_metrics(record, own=own))
        metrics = metrics if new else list(self._lacking(run, metrics, record.ended or 0.0))
        self._put(run, record.path)
        for some in batches(parameters[MOST_PARAMETERS:], MOST_PARAMETERS):
            self._client.log_batch(run.info.run_id, params=some)
        *before, last = list(batches(metrics, MOST_METRICS)) or [[]]
        for some in before:
            self._client.log_batch(run.info.run_id, some)
        first = parameters[:MOST_PARAMETERS]
        return self._seal(run, record.sha256, tags, metrics=last, params=first)

    def _put(self, run: Any, path: Path) -> None:
        """A file beside the run."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if urlsplit(run.info.artifact_uri).scheme in ("", "file"):
            # The client would ask the store for the run once more.
            local: Any = get_artifact_repository(run.info.artifact_uri)
            local.log_artifact(str(path))
        else:
            self._client.log_artifact(run.info.run_id, str(path))

    def _end(self, run: Any, status: str, ended: float | None) -> None:
        self._client.set_terminated(run.info.run_id, status, milliseconds(ended))

    def _seal(self, run: Any, sha256: str, tags: dict[str, str], **rest: Any) -> Outcome:
        """With its hash, the last that a store writes of a batch, a run is whole."""
        from mlflow.entities import RunTag

        before = run.data.tags.get(SHA256)
        all_tags = [RunTag(name, text) for name, text in {**tags, SHA256: sha256}.items()]
        self._client.log_batch(run.info.run_id, tags=all_tags, **rest)
        run.data.tags[SHA256] = sha256
        return "logged" if before is None else "updated"

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Errors of MLflow, its network and its database become StoreAway or NotTaken."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (StoreAway, NotTaken):
            raise
        except MlflowException as error:
            kind = NotTaken if error.error_code in REFUSED else StoreAway
            raise kind(f"MLflow at {self.place}: {_reason(error)}") from error
        except Exception as error:
            raise StoreAway(f"MLflow at {self.place}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """In a line: of a server that does not answer, what the system says of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionError | TimeoutError):
            return one_line(str(cause), 200)
        cause = cause.__cause__ or cause.__context__
    return one_line(without_user(str(error) or repr(error)), 300)


def _tags(record: Record) -> dict[str, str]:
    """All but the hash."""
    found = {name: value_of(text, LONGEST_TAG) for name, text in record.tags.items()}
    del found[SHA256]
    return found


def _metrics(record: Record, *, own: bool) -> Iterator[Any]:
    """Every point, as MLflow has it."""
    from mlflow.entities import Metric

    ended = milliseconds(record.ended) or 0
    named: dict[str, Any] = {**record.series(own=own), **record.figures(own=own)}
    for key, value in keys_of(named).items():
        if isinstance(value, float):
            yield Metric(key, value, ended, 0)
            continue
        for point in value:
            yield Metric(key, point.value, milliseconds(point.time) or ended, point.step)
