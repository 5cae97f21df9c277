"""What the meters can tell on this machine: for `energyctl doctor` and for `require`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.energy import CounterSeries, Domain, Recording
from energyctl.meters.base import Source
from energyctl.meters.sampler import Sampler

SURVEY_SECONDS = 0.5


@dataclass(frozen=True)
class Row:
    """One domain, or one source without any.

    step_seconds: how often the counter moves; watts: power now; None: unknown. cure: why it
    cannot be read and what to do.
    """

    source: str
    domain: str | None
    readable: bool
    measured: bool
    in_total: bool
    covers: str
    step_seconds: float | None = None
    watts: float | None = None
    cure: str | None = None


def missing_kinds(meters: Sequence[Source], require: Sequence[str]) -> list[str]:
    """A line with the reason for each required kind that cannot be measured, or not wholly."""
    lines = []
    domains = [d for meter in meters for d in meter.domains()]
    for kind in require:
        of_kind = [d for d in domains if d.kind == kind and d.measured]
        reasons = [d.missing for d in of_kind if d.missing is not None]
        if not of_kind:
            reasons = [_why_none(meters, kind)]
        if reasons:
            lines.append(f"{kind} cannot be measured: {reasons[0]}")
    return lines


def why_null(energy: Mapping[str, Any], meters: Sequence[Source]) -> dict[str, str]:
    """The reason for each figure that is null in the "energy" object of a result."""
    kinds = {"cpu_package_joules": "cpu", "cpu_dram_joules": "dram", "gpu_joules": "gpu"}
    found = {}
    for key, kind in kinds.items():
        if energy[key] is None:
            lines = missing_kinds(meters, [kind])
            broken = [d["missing"] for d in energy["domains"] if d["kind"] == kind and d["missing"]]
            found[key] = (lines or broken or ["a part of it is unknown"])[0]
    return found


def _why_none(meters: Sequence[Source], kind: str) -> str:
    name = "nvml" if kind == "gpu" else "powercap"
    for meter in meters:
        if meter.name == name and meter.unavailable:
            return meter.unavailable
    return f"this machine has no counter for {kind}"


def describe(meters: Sequence[Source], *, seconds: float = SURVEY_SECONDS) -> list[Row]:
    """A row per domain, with the power over the next `seconds`, and one per absent source."""
    recording = _listen(meters, seconds)
    rows = []
    for meter in meters:
        if meter.unavailable:
            rows.append(_absent(meter))
        rows += [_row(domain, recording) for domain in meter.domains()]
    return rows


def _listen(meters: Sequence[Source], seconds: float) -> Recording:
    sampler = Sampler(meters, interval_seconds=seconds / 2)
    sampler.start()
    sampler.phase("survey")
    threading.Event().wait(seconds)
    return sampler.stop()


def _absent(meter: Source) -> Row:
    return Row(meter.name, None, False, False, False, "nothing", cure=meter.unavailable)


def _row(domain: Domain, recording: Recording) -> Row:
    phase = recording.phases[0]
    energy = recording.energy(phase.start, phase.end)
    joules = next(d.joules for d in energy.domains if d.domain.name == domain.name)
    return Row(
        source=domain.source,
        domain=domain.name,
        readable=domain.missing is None,
        measured=domain.measured,
        in_total=domain.in_total,
        covers=_covers(domain),
        step_seconds=_step_seconds(domain, recording),
        watts=None if joules is None else joules / energy.seconds,
        cure=domain.missing,
    )


def _step_seconds(domain: Domain, recording: Recording) -> float | None:
    series = recording.series.get(domain.name)
    if not isinstance(series, CounterSeries):
        return None
    return series.update_seconds() or domain.update_seconds or None


def _covers(domain: Domain) -> str:
    if not domain.measured:
        return "all CPUs, estimated from their utilization"
    if domain.kind == "cpu":
        return "one CPU package"
    if domain.kind == "dram":
        return "the memory of one CPU package"
    if domain.kind == "gpu":
        return "one GPU with its memory"
    if domain.name.startswith("psys"):
        return "the whole platform (not in the total)"
    if domain.source == "powercap mmio":
        return "a package seen through a second interface (not in the total)"
    return "a part of a package (not in the total)"
