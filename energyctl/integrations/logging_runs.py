"""Logs runs to a store, in the order of time, and the page of each campaign."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from energyctl.config.settings.log_to import Tracker
from energyctl.errors import SettingsError
from energyctl.integrations.store import NotTaken, Outcome, Store
from energyctl.integrations.tracking import OwnRun, Record, record_of
from energyctl.results.api import Run, Runs

Say = Callable[[str], None]


@dataclass
class Logged:
    """What became of some runs, by experiment id, and of pages, by journal."""

    runs: dict[str, Outcome] = field(default_factory=dict)
    pages: dict[str, Outcome] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return list(self.runs.values()).count(outcome)


def log_runs(
    store: Store,
    runs: Sequence[Run],
    tracker: Tracker,
    say: Say,
    step: Callable[[int, int], None] = lambda done, total: None,
    done: Callable[[str], None] = lambda experiment_id: None,
) -> Logged:
    """Logs these *runs*; *done* hears of each at once. Raises StoreAway; what was logged by then
    is whole."""
    logged = Logged()
    records = list[Record]()
    for run in runs:
        try:
            records.append(record_of(run, tracker))
        except OSError as error:
            _problem(logged, say, f"{run.path}: {error.strerror}; it is not logged")
    records.sort(key=lambda one: one.started or 0.0)
    sharing = Counter[OwnRun | None](one.own for one in records)
    for number, record in enumerate(records):
        step(number, len(records))
        try:
            outcome = store.log(record, shared=sharing[record.own] > 1)
        except NotTaken as error:
            _problem(logged, say, f"{record.experiment_id} is not logged: {error}")
            continue
        done(record.experiment_id)
        logged.runs[record.experiment_id] = outcome
        logged.records.append(record)
    return logged


def log_pages(store: Store, runs: Sequence[Run], logged: Logged, say: Say) -> None:
    """The page of each campaign of the *runs* that were *logged*; one is drawn only where the
    store does not have it. Raises StoreAway."""
    journals = dict.fromkeys(one.journal for one in logged.records)
    for journal in journals:
        records = [one for one in logged.records if one.journal == journal]
        names = {one.experiment_id for one in records}
        shown = Runs(run for run in runs if run.experiment_id in names)
        with tempfile.TemporaryDirectory(prefix="energyctl-page-") as folder:
            try:
                drawing = _Drawing(shown, Path(folder))
                logged.pages[journal] = store.log_page(records, drawing.page)
            except SettingsError as error:  # a library for charts is missing
                say(f"there is no page of {journal or 'the campaign'}: {error}")
            except NotTaken as error:
                _problem(logged, say, f"the page of {journal or 'the campaign'}: {error}")


@dataclass(frozen=True)
class _Drawing:
    runs: Runs
    folder: Path

    def page(self) -> Path:
        """As `report --html` draws it. Raises SettingsError where the extra `report` is missing."""
        from energyctl.analysis.report.whole import whole_page

        path = self.folder / "report.html"
        path.write_text(whole_page(self.runs), encoding="utf-8")
        return path


def _problem(logged: Logged, say: Say, line: str) -> None:
    logged.problems.append(line)
    say(line)
