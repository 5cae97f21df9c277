"""A result as a typed object; what lies beside it as DataFrames of polars (extra `report`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energyctl.errors import SettingsError
from energyctl.results import reader, time_series
from energyctl.results.api import html
from energyctl.results.api.frames import frame
from energyctl.results.api.parts import (
    RunDomain,
    RunEnergy,
    RunEpoch,
    RunFootprint,
    RunJob,
    RunMark,
    RunPhase,
)
from energyctl.results.pairs import RunFacts, facts_of
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.results.tables import Part, Row
from energyctl.results.tables.attempt_work import attempt_work
from energyctl.text import json_text

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, repr=False)
class Run:
    """A run, from its result file. `result` is the whole document (schema 1)."""

    path: Path
    result: Result
    row: Row = field(repr=False)
    """Its row of the table `runs` (docs/tables.md), but for what its time series says of GPUs."""

    @property
    def experiment_id(self) -> str:
        return str(self.row["experiment_id"])

    @property
    def status(self) -> str:
        """``succeeded``, ``failed`` or ``interrupted``."""
        return str(self.row["status"])

    @property
    def campaign(self) -> str | None:
        return self._text("campaign")

    @property
    def mode(self) -> str | None:
        return self._text("mode")

    @property
    def condition(self) -> str:
        """What stood beside the training: its label, else ``alone`` or ``beside …``."""
        return str(self.row["condition"])

    @property
    def block(self) -> int | None:
        """Number of the runs with one set of values; None where there are no blocks."""
        return self._part.integer("block")

    @property
    def trial(self) -> int | None:
        """Number of the proposal of values in a search; None where there is none."""
        return self._part.integer("trial")

    @property
    def training_seed(self) -> int | None:
        return self._part.integer("training_seed")

    @property
    def warm_up(self) -> bool:
        """Whether it is left out of every comparison."""
        return bool(self.row["warm_up"])

    @property
    def repository(self) -> str | None:
        return self._text("repository")

    @property
    def model(self) -> str | None:
        return self._text("model")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Of the foreground, defaults included."""
        return dict(self._part.part("foreground_result").part("hyperparameters").document)

    @property
    def machine_settings(self) -> dict[str, Any]:
        """What of the machine was set for it, by name: as `requested`, and as enforced on each of
        `gpus`, or (of governors) `enforced`. Empty where nothing was set."""
        return dict(self._part.part("machine_settings").document)

    @property
    def metrics(self) -> dict[str, float]:
        """What the training printed; a metric that was not found is not there."""
        found = self._part.part("foreground_result").part("performance_metrics")
        return {name: float(value) for name, value in found.document.items() if value is not None}

    @property
    def started(self) -> float | None:
        """Begin of the last attempt, Unix seconds."""
        return self._number("started")

    @property
    def ended(self) -> float | None:
        return self._number("ended")

    @property
    def warnings(self) -> list[str]:
        return [str(line) for line in self._part.items("warnings")]

    @property
    def environment(self) -> dict[str, Any]:
        return dict(self._part.part("environment").document)

    @cached_property
    def energy(self) -> RunEnergy | None:
        """None where the foreground never ran."""
        found = self._part.part("energy")
        if not found.names():
            return None
        domains = tuple(
            RunDomain(
                name=str(one.text("name")),
                kind=one.text("kind"),
                source=one.text("source"),
                measured=one.flag("measured"),
                in_total=one.flag("in_total"),
                joules=one.number("joules"),
                uncertainty_joules=one.number("uncertainty_joules"),
                missing=one.text("missing"),
            )
            for one in found.parts("domains")
        )
        return RunEnergy(
            seconds=found.number("seconds"),
            total_joules=found.number("total_joules"),
            uncertainty_joules=found.number("uncertainty_joules"),
            measured=found.flag("measured"),
            above_idle_joules=found.number("above_idle_joules"),
            marginal_joules=found.number("marginal_joules"),
            domains=domains,
            missing=self._text("energy_missing"),
            wall_joules_estimated=self._number("wall_joules_estimated"),
            wall_uncertainty_joules_estimated=self._number("wall_uncertainty_joules_estimated"),
            wall_note=self._text("wall_note"),
        )

    @property
    def footprint(self) -> RunFootprint:
        """kWh of all metered phases, CO2e and cost."""
        return RunFootprint(
            kwh=self._number("metered_kwh"),
            uncertainty_kwh=self._number("metered_uncertainty_kwh"),
            co2e_grams=self._number("co2e_grams"),
            co2e_grams_per_kwh=self._number("co2e_grams_per_kwh"),
            co2e_source=self._text("co2e_source"),
            cost=self._number("cost"),
            price_per_kwh=self._number("price_per_kwh"),
            currency=self._text("currency"),
            price_source=self._text("price_source"),
        )

    @cached_property
    def phases(self) -> tuple[RunPhase, ...]:
        found = []
        for one in self._part.parts("phases"):
            name, _, step = (one.text("name") or "").partition(":")
            start, end = one.time("start"), one.time("end")
            if start is not None and end is not None:
                joules, watts = one.numbers("joules"), one.numbers("watts")
                found.append(RunPhase(name, step or None, start, end, joules, watts))
        return tuple(found)

    @cached_property
    def epochs(self) -> tuple[RunEpoch, ...]:
        """Those that the training told (`energyctl.epoch`)."""
        return tuple(
            RunEpoch(
                epoch=one.integer("epoch"),
                epochs=one.integer("epochs") or 1,
                metrics=one.numbers("metrics"),
                **self._stretch(one),
            )
            for one in self._part.part("foreground_result").parts("epochs")
        )

    @cached_property
    def marks(self) -> tuple[RunMark, ...]:
        """The stretches that the training gave a name (`energyctl.mark`)."""
        return tuple(
            RunMark(name=str(one.text("name")), **self._stretch(one))
            for one in self._part.part("foreground_result").parts("marks")
        )

    @staticmethod
    def _stretch(of: Part) -> dict[str, Any]:
        return {
            "start": of.time("start"),
            "end": of.time("end"),
            "joules": of.number("joules"),
            "uncertainty_joules": of.number("uncertainty_joules"),
            "domains": of.numbers("domains"),
            "missing": of.text("missing"),
        }

    @cached_property
    def jobs(self) -> tuple[RunJob, ...]:
        return tuple(
            RunJob(
                name=str(one.text("job")),
                repository=one.text("repo"),
                model=one.text("model"),
                iterations=one.integer("iterations"),
                failures=one.integer("failures"),
                coverage=one.number("coverage"),
                load=one.number("load"),
                max_gap_seconds=one.number("max_gap_seconds"),
                **attempt_work(self._part, one),
            )
            for one in self._part.part("background_info").parts("jobs")
        )

    @cached_property
    def facts(self) -> RunFacts:
        """What pairs are found by."""
        return facts_of(self._part)

    # -- what lies beside the result -----------------------------------------------------------

    def power(self, *, all_phases: bool = False) -> polars.DataFrame:
        """Samples of the training: timestamp (Unix seconds), domain, watts; by time. No row: no
        time series. all_phases: of the idle machine and the load alone, too."""
        training = time_series.power(self._series)
        if not all_phases:
            return training
        around = time_series.power_around(RunFiles.of_result(self.path).power_around)
        if len(around):  # then a domain's first row, which has no power yet, is not a gap
            training = training.filter(
                training["watts"].is_not_null() | ~training["domain"].is_first_distinct()
            )
        return training.vstack(around).sort("timestamp", maintain_order=True)

    def temperature(self) -> polars.DataFrame:
        """Samples: timestamp (Unix seconds), gpu, gpu_celsius, memory_celsius."""
        return time_series.temperature(self._series)

    def utilization(self) -> polars.DataFrame:
        """Samples: timestamp (Unix seconds), gpu, gpu_percent, memory_percent."""
        return time_series.utilization(self._series)

    def iterations(self) -> polars.DataFrame:
        """The iterations of the background jobs: the table `iterations`."""
        return frame("iterations", self.rows("iterations"))

    def rows(self, table: str) -> list[Row]:
        """Its rows of a table of :data:`energyctl.results.api.TABLES`, as plain dictionaries; of
        `pairs` and `shares` it has none: a pair is two runs."""
        return reader.rows(table, self.path, self._part)

    def json(self) -> str:
        return json_text(self.result)

    def __repr__(self) -> str:
        return f"<Run {self.experiment_id}: {self.status}, {html.total(self.row)}>"

    def _repr_html_(self) -> str:
        """The run, as a notebook shows it."""
        domains = self.energy.domains if self.energy else ()
        return html.run_html(
            self.row, self.hyperparameters, self.metrics, domains, self.jobs, self.warnings,
            self._samples(),
        )  # fmt: skip

    def _samples(self) -> polars.DataFrame | None:
        try:
            return self.power()
        except SettingsError:  # DataFrames are not installed: the figures alone
            return None

    @property
    def _part(self) -> Part:
        return Part(self.result)

    @property
    def _series(self) -> Path:
        return reader.series_folder(self.path, self._part)

    def _text(self, key: str) -> str | None:
        value = self.row.get(key)
        return None if value is None else str(value)

    def _number(self, key: str) -> float | None:
        value = self.row.get(key)
        return None if value is None else float(value)
