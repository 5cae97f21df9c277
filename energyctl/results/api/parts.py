"""What a run consists of: its energy by domain, its phases, its background jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from energyctl.results.tables import total


@dataclass(frozen=True)
class RunDomain:
    """A metered domain during the last attempt. None: not known, see *missing*.

    measured: false for an estimate. in_total: whether it is part of the run's total.
    """

    name: str
    kind: str | None
    source: str | None
    measured: bool | None
    in_total: bool | None
    joules: float | None
    uncertainty_joules: float | None
    missing: str | None


@dataclass(frozen=True)
class RunEnergy:
    """Energy of the whole machine's domains during the last attempt; bands are half-widths."""

    seconds: float | None
    total_joules: float | None
    uncertainty_joules: float | None
    measured: bool | None
    above_idle_joules: float | None
    marginal_joules: float | None
    domains: tuple[RunDomain, ...]
    missing: str | None
    wall_joules_estimated: float | None = None
    """At the wall, by a calibration of the machine (`energyctl calibrate --against`)."""
    wall_uncertainty_joules_estimated: float | None = None
    wall_note: str | None = None
    """By which calibration, or why there is no estimate; None: none of that host is kept."""

    def joules_of(self, kind: str) -> float | None:
        """The sum over the counted domains of a kind: cpu, dram, gpu, other."""
        counted = [one for one in self.domains if one.kind == kind and one.in_total]
        return total([one.joules for one in counted])


@dataclass(frozen=True)
class RunFootprint:
    """What a run took in all phases that were metered, and what that is by the factors that the
    settings of its campaign stated. None: not known, or not stated."""

    kwh: float | None
    uncertainty_kwh: float | None
    co2e_grams: float | None
    co2e_grams_per_kwh: float | None
    co2e_source: str | None
    cost: float | None
    price_per_kwh: float | None
    currency: str | None
    price_source: str | None


@dataclass(frozen=True)
class RunPhase:
    """A stretch of the run's time line; start, end: Unix seconds. step: of several, its name."""

    name: str
    step: str | None
    start: float
    end: float
    joules: Mapping[str, float | None]
    watts: Mapping[str, float | None]


@dataclass(frozen=True)
class RunEpoch:
    """An epoch that the training told; start, end: Unix seconds; bands are half-widths.

    epochs: that end in it; more than 1 where there are 1000 or more. metrics: those it was told
    with. joules None: see *missing*.
    """

    epoch: int | None
    epochs: int
    start: float
    end: float
    joules: float | None
    uncertainty_joules: float | None
    domains: Mapping[str, float | None]
    metrics: Mapping[str, float | None]
    missing: str | None


@dataclass(frozen=True)
class RunMark:
    """A stretch that the training gave a name; start, end: Unix seconds; joules None: see
    *missing*."""

    name: str
    start: float
    end: float
    joules: float | None
    uncertainty_joules: float | None
    domains: Mapping[str, float | None]
    missing: str | None


@dataclass(frozen=True)
class RunJob:
    """A background job during the last attempt; None: not known. coverage, load: 0 to 1."""

    name: str
    repository: str | None
    model: str | None
    iterations: int | None
    failures: int | None
    coverage: float | None
    load: float | None
    max_gap_seconds: float | None
    work: float | None = None
    """In `work_unit`, with the half-width of its band in `work_uncertainty`."""
    work_uncertainty: float | None = None
    work_unit: str | None = None
