"""What a sampler leaves behind: plain data that answers for any interval."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from energyctl.energy.checks import (
    Band,
    Check,
    against_limit,
    against_power,
    broken,
    refusal,
    spikes,
)
from energyctl.energy.counter_series import CounterSeries
from energyctl.energy.device_states import DeviceStates
from energyctl.energy.domain import Domain, DomainEnergy, Energy, Phase, SamplerStatistics
from energyctl.energy.power_series import PowerSeries
from energyctl.energy.remote_counter import RemoteCounterSeries
from energyctl.energy.schema import PhaseJson
from energyctl.energy.series import Series, Span, disagreement
from energyctl.energy.told_power import ToldPower

# The reading of an edge lies this close to it.
EDGE_SECONDS = 0.02


def series_for(domain: Domain) -> Series:
    """An empty series of the sort that the domain's source needs."""
    if domain.quantity == "power":
        return PowerSeries(domain)
    return RemoteCounterSeries(domain) if domain.remote else CounterSeries(domain)


@dataclass
class Ticks:
    """When the sampler sampled; one entry per sample.

    times: Unix seconds; missed: deadlines passed over right before that sample; cpu_seconds: spent
    up to it.
    """

    times: array[float] = field(default_factory=lambda: array("d"))
    missed: array[int] = field(default_factory=lambda: array("l"))
    cpu_seconds: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time: float, missed: int, cpu_seconds: float) -> None:
        self.times.append(time)
        self.missed.append(missed)
        self.cpu_seconds.append(cpu_seconds)

    def copy(self) -> Ticks:
        return Ticks(self.times[:], self.missed[:], self.cpu_seconds[:])

    def statistics(self, interval: float, start: float, end: float) -> SamplerStatistics:
        """Of the samples from `start` to `end`; that of an edge may lie a moment beside it."""
        if not self.times:
            return SamplerStatistics(interval)
        first = bisect_left(self.times, start - EDGE_SECONDS)
        last = bisect_right(self.times, end + EDGE_SECONDS)
        inside = [start, *(time for time in self.times[first:last] if start < time < end), end]
        newest = len(self.times) - 1
        spent = self.cpu_seconds[min(last, newest)] - self.cpu_seconds[min(first, newest)]
        return SamplerStatistics(
            interval_seconds=interval,
            samples=last - first,
            missed=sum(self.missed[first:last]),
            max_gap_seconds=max(b - a for a, b in pairwise(inside)),
            cpu_seconds=spent,
        )


@dataclass(frozen=True)
class Recording:
    """Domains, their samples, and the phases, on one time line (Unix seconds).

    series: one entry for each domain that could be read at the start.
    phases: without holes; the last one may end where the recording stood when it was taken.
    warnings: what went wrong beside the samples, a line each.
    told: the power that devices told beside their counters, by the domains' names.
    states: of GPUs and CPUs, beside the samples.
    """

    domains: tuple[Domain, ...]
    series: Mapping[str, Series]
    phases: tuple[Phase, ...]
    interval_seconds: float
    ticks: Ticks = field(default_factory=Ticks)
    warnings: tuple[str, ...] = ()
    told: Mapping[str, ToldPower] = field(default_factory=dict)
    states: DeviceStates = field(default_factory=DeviceStates)

    @property
    def statistics(self) -> SamplerStatistics:
        """Of all samples."""
        if not self.ticks.times:
            return SamplerStatistics(self.interval_seconds)
        first, last = self.ticks.times[0], self.ticks.times[-1]
        return self.ticks.statistics(self.interval_seconds, first, last)

    def energy(self, start: float, end: float, *, slack_seconds: float = 0.0) -> Energy:
        """Energy of all domains from `start` to `end`, in Unix seconds.

        slack_seconds: what was to be metered may have begun later and ended earlier, by so much
        in all; the energy that flowed meanwhile is part of the uncertainty.
        """
        domains = tuple(self._domain_energy(d, start, end, slack_seconds) for d in self.domains)
        statistics = self.ticks.statistics(self.interval_seconds, start, end)
        return Energy(start, end, domains, statistics)

    def _domain_energy(
        self, domain: Domain, start: float, end: float, slack: float
    ) -> DomainEnergy:
        series = self.series.get(domain.name)
        if domain.missing is not None or series is None:
            return DomainEnergy(domain, None, None, domain.missing or "it was not sampled")
        span = series.between(start, end)
        checks = self._checks(series, span, start, end)
        refused = refusal(checks)
        if span.joules is None or refused is not None:
            missing = span.missing if refused is None else refused.words
            return DomainEnergy(domain, None, None, missing, checks=checks)
        budget = dict(span.budget)
        other = self.series.get(domain.check or "")
        if other is not None:
            budget["disagreement"] = disagreement(span.joules, other, start, end)
        if slack and end > start:
            budget["window"] = span.joules * min(1.0, slack / (end - start))
        return DomainEnergy(domain, span.joules, sum(budget.values()), None, budget, checks)

    def _checks(self, series: Series, span: Span, start: float, end: float) -> tuple[Check, ...]:
        """Whether what a counter told of an interval can be right."""
        if not isinstance(series, CounterSeries):
            return ()
        if span.joules is None or span.uncertainty_joules is None:
            return (broken(span.reason, span.missing),) if span.reason else ()
        seconds, most = end - start, series.domain.max_watts
        checks = [
            against_limit(span.joules, seconds, most),
            spikes(series.spikes_between(start, end)),
        ]
        told = self.told.get(series.domain.name)
        mean = told.mean(start, end, _up_to(series.seen_watts, most)) if told else None
        if mean is not None:
            watts = span.joules / seconds
            counted = Band.around(watts, span.uncertainty_joules / seconds)
            checks.append(against_power("run", counted, mean[1], watts, mean[0]))
        return tuple(check for check in checks if check is not None)

    def phases_json(self) -> list[PhaseJson]:
        """The "phases" list of a result file."""
        return [
            {
                **phase_json(p.name, self.energy(p.start, p.end)),
                "state": self.states.between(p.start, p.end),
            }
            for p in self.phases
        ]


def _up_to(seen: Band | None, most: float | None) -> Band | None:
    """As far as the device can draw it: a counter that is wrong may have seen more."""
    return Band(seen.low, min(seen.high, most or inf)) if seen else None


def phase_json(name: str, energy: Energy) -> PhaseJson:
    """A phase with its energy; "missing" only where a figure is null."""
    entry: PhaseJson = {
        "name": name,
        "start": energy.start,
        "end": energy.end,
        "joules": {d.domain.name: d.joules for d in energy.domains},
        "uncertainty_joules": {d.domain.name: d.uncertainty_joules for d in energy.domains},
        "watts": {d.domain.name: _watts(d.joules, energy.seconds) for d in energy.domains},
    }
    missing = {d.domain.name: d.missing for d in energy.domains if d.joules is None}
    if missing:
        entry["missing"] = missing
    return entry


def _watts(joules: float | None, seconds: float) -> float | None:
    return None if joules is None or seconds <= 0 else joules / seconds
