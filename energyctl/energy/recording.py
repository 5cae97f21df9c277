"""What a sampler leaves behind: plain data that answers for any interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from energyctl.energy.counter import CounterSeries
from energyctl.energy.domain import Domain, DomainEnergy, Energy, Phase, SamplerStatistics
from energyctl.energy.power import PowerSeries
from energyctl.energy.series import Series


def series_for(domain: Domain) -> Series:
    """An empty series of the sort that the domain's source needs."""
    return CounterSeries(domain) if domain.quantity == "energy" else PowerSeries(domain)


@dataclass(frozen=True)
class Recording:
    """Domains, their samples, and the phases, on one time line (Unix seconds).

    series: one entry for each domain that could be read at the start.
    phases: without holes; the last one may end where the recording stood when it was taken.
    warnings: what went wrong beside the samples, a line each.
    """

    domains: tuple[Domain, ...]
    series: Mapping[str, Series]
    phases: tuple[Phase, ...]
    statistics: SamplerStatistics
    warnings: tuple[str, ...] = ()

    def energy(self, start: float, end: float) -> Energy:
        """Energy of all domains from `start` to `end`."""
        domains = tuple(self._domain_energy(d, start, end) for d in self.domains)
        return Energy(start, end, domains, self.statistics)

    def _domain_energy(self, domain: Domain, start: float, end: float) -> DomainEnergy:
        series = self.series.get(domain.name)
        if domain.missing is not None or series is None:
            return DomainEnergy(domain, None, None, domain.missing or "it was not sampled")
        span = series.between(start, end)
        return DomainEnergy(domain, span.joules, span.uncertainty_joules, span.missing)

    def phases_json(self) -> list[dict[str, Any]]:
        """The "phases" list of a result file; "missing" only where a figure is null."""
        return [self._phase_json(phase) for phase in self.phases]

    def _phase_json(self, phase: Phase) -> dict[str, Any]:
        energy = self.energy(phase.start, phase.end)
        entry: dict[str, Any] = {
            "name": phase.name,
            "start": phase.start,
            "end": phase.end,
            "joules": {d.domain.name: d.joules for d in energy.domains},
            "watts": {d.domain.name: _watts(d.joules, energy.seconds) for d in energy.domains},
        }
        missing = {d.domain.name: d.missing for d in energy.domains if d.joules is None}
        return {**entry, "missing": missing} if missing else entry


def _watts(joules: float | None, seconds: float) -> float | None:
    return None if joules is None or seconds <= 0 else joules / seconds
