"""The metrics themselves: names, labels and values, from what an observer was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import energyctl
from energyctl.campaign.observer import DomainView, View

TYPES = {"cpu": "cpu", "dram": "memory", "gpu": "gpu"}
"""Kind of a domain → ``hw.type``; any other is one of our own, ``other``."""

COMPONENT = ("hw_id", "hw_type", "hw_name")


@dataclass
class Energies:
    """Joules of each domain since the campaign began, which never become less.

    A run has counters of its own: what the runs before took is added, by their results where these
    know it, else as it was seen last.
    """

    _run: str | None = None
    _before: dict[str, float] = field(default_factory=dict)
    _in_run: dict[str, float] = field(default_factory=dict)
    _total: dict[str, float] = field(default_factory=dict)

    def of(self, view: View) -> Mapping[str, float]:
        """By name of the domain, up to now."""
        if view.experiment_id != self._run:
            self.finished({})
            self._run = view.experiment_id
        self._in_run = {d.name: d.joules for d in view.domains if d.joules is not None}
        for name, joules in self._in_run.items():
            now = self._before.get(name, 0.0) + joules
            self._total[name] = max(self._total.get(name, 0.0), now)
        return dict(self._total)

    def finished(self, joules: Mapping[str, float]) -> None:
        """The run is over; joules: what its result says of domains, all phases together."""
        for name, seen in self._in_run.items():
            self._before[name] = self._before.get(name, 0.0) + joules.get(name, seen)
        self._in_run = {}


@dataclass(frozen=True)
class Figures:
    """What is exported, as it stood at *updated* (Unix seconds). runs: finished ones by status;
    joules: by domain, since the campaign began."""

    campaign: str
    planned: int
    updated: float
    runs: Mapping[str, int]
    started: float = 0.0
    view: View | None = None
    joules: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.started:
            object.__setattr__(self, "started", self.updated)

    def seen(self, view: View, now: float, joules: Mapping[str, float]) -> Figures:
        return replace(self, view=view, updated=now, joules=joules)

    def counting(self, status: str) -> Figures:
        """With one more run that ended so."""
        return replace(self, runs={**self.runs, status: self.runs.get(status, 0) + 1})

    def families(self) -> Iterator[Any]:
        """The metric families, for a collector of prometheus_client."""
        yield from self._of_campaign()
        if self.view is not None:
            yield from _of_run(self.view)
            yield from _of_hardware(self.view, self.joules)
            yield from _of_gpus(self.view)
            yield from _of_jobs(self.view)

    def _of_campaign(self) -> Iterator[Any]:
        yield _info(
            "energyctl_campaign",
            "The campaign that runs.",
            {"campaign": self.campaign, "version": energyctl.__version__},
        )
        yield _gauge(
            "energyctl_campaign_start_time_seconds",
            "When this energyctl began with it, in Unix seconds.",
            self.started,
        )
        yield _gauge(
            "energyctl_campaign_last_update_time_seconds",
            "When the campaign last told how it stands, in Unix seconds.",
            self.updated,
        )
        yield _gauge(
            "energyctl_campaign_runs", "Runs that there were to do at the start.", self.planned
        )
        yield _family(
            "counter",
            "energyctl_runs_finished",
            "Runs that have ended, by how.",
            ("status",),
            [((status,), number) for status, number in self.runs.items()],
        )


def _of_run(view: View) -> Iterator[Any]:
    yield _info(
        "energyctl_run",
        "The run in progress; experiment_id names its result.",
        {
            "experiment_id": view.experiment_id,
            "training": view.title,
            "condition": view.condition,
        },
    )
    yield _gauge(
        "energyctl_run_index",
        "Its number in the plan, from 1; 0: a control or calibration.",
        view.index,
    )
    yield _info("energyctl_phase", "The phase in progress.", {"phase": view.phase})
    yield _gauge(
        "energyctl_phase_start_time_seconds",
        "When the phase began, in Unix seconds.",
        view.phase_since,
    )


def _of_hardware(view: View, joules: Mapping[str, float]) -> Iterator[Any]:
    """Energy and power of the parts, or of the whole host where one domain is the total by itself:
    that has names of its own, so that a sum over parts never has it."""
    whole = len(view.domains) == 1 and view.domains[0].kind == "other"
    prefix = "hw_host" if whole else "hw"
    of = "the whole host" if whole else "a part of the machine; the sum over all is the total"
    names = (*COMPONENT, "measured")
    labels = {d.name: (*_component(d), str(d.measured).lower()) for d in view.domains}
    yield _family(
        "counter",
        f"{prefix}_energy_joules",
        f"Energy of {of}, metered since the campaign began.",
        names,
        [(labels[d.name], joules[d.name]) for d in view.domains if d.name in joules],
    )
    watts = [(labels[d.name], view.watts.get(d.name)) for d in view.domains]
    yield _family("gauge", f"{prefix}_power_watts", f"Power of {of}.", names, watts)


def _component(domain: DomainView) -> tuple[str, str, str]:
    """hw_id (of a GPU its UUID, by which other exporters name it), hw_type, hw_name."""
    identity = (domain.part or domain.name).removeprefix("gpu/")
    return identity, TYPES.get(domain.kind, "other"), domain.name


def _of_gpus(view: View) -> Iterator[Any]:
    known = {domain.name: _component(domain) for domain in view.domains}
    gpus = [(known.get(gpu.name, (gpu.name, "gpu", gpu.name)), gpu) for gpu in view.gpus]
    yield _family(
        "gauge",
        "hw_gpu_utilization_ratio",
        "Share of the time in which the GPU was busy, 0 to 1.",
        COMPONENT,
        [
            (labels, None if gpu.utilization_percent is None else gpu.utilization_percent / 100)
            for labels, gpu in gpus
        ],
    )
    yield _family(
        "gauge",
        "hw_temperature_celsius",
        "Temperature of the GPU.",
        COMPONENT,
        [(labels, gpu.temperature_celsius) for labels, gpu in gpus],
    )


def _of_jobs(view: View) -> Iterator[Any]:
    """The background, as `status` shows it."""
    for kind, name, text, figures in (
        ("counter", "iterations", "Iterations of a background job that began.", "iterations"),
        ("counter", "failures", "Iterations of it that failed.", "failures"),
        ("gauge", "coverage_ratio", "Share of the training's time in which one ran.", "coverage"),
        ("gauge", "load_ratio", "Share of the last seconds in which it was busy.", "load"),
    ):
        samples = [((job.name,), getattr(job, figures)) for job in view.jobs]
        yield _family(kind, f"energyctl_background_{name}", text, ("job",), samples)


def _info(name: str, text: str, labels: Mapping[str, str]) -> Any:
    return _family("gauge", f"{name}_info", text, tuple(labels), [(tuple(labels.values()), 1)])


def _gauge(name: str, text: str, value: float) -> Any:
    return _family("gauge", name, text, (), [((), value)])


def _family(
    kind: str,
    name: str,
    text: str,
    labels: Sequence[str],
    samples: Sequence[tuple[Sequence[str], float | None]],
) -> Any:
    """One metric; what is not known (None) has no sample."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    family = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}[kind](
        name, text, labels=labels
    )
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family
