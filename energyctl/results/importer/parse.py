"""The texts of one old run → what they say (`OldRun`). Pure.

``experiment.json`` has the training's facts at the top, or, of parallel runs, in ``foreground``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from energyctl.energy import DomainEnergy, Energy, SamplerStatistics
from energyctl.results.importer import perf_output, sampled_power
from energyctl.results.paths import CPU_ENERGY, GPU_POWER, GPU_UTILIZATION

FILES = {
    "experiment": "experiment.json",
    "power": f"energy/{GPU_POWER}",
    "utilization": f"energy/{GPU_UTILIZATION}",
    "raw": "energy/cpu_energy_raw.txt",
    "summary": f"energy/{CPU_ENERGY}",
}
"""What is read of an old run, in its folder."""

# Time zones differ by quarters of an hour; sampling began within so many seconds of perf.
QUARTER_SECONDS, NEAR_SECONDS = 900, 120
# Where perf's output is lost, the span is that of the tool that called it: about so much longer.
UNKNOWN_SPAN_SECONDS = 3.0


class BrokenRun(ValueError):
    """Nothing can be imported of it; the message is one line."""


@dataclass(frozen=True)
class Span:
    """The foreground: local time of its start, and its start in Unix seconds.

    utc_offset_seconds: as inferred; None: unknown, and the local time was taken for UTC.
    slack_seconds: it may be so much shorter.
    """

    local: datetime
    start: float
    seconds: float
    source: str
    utc_offset_seconds: int | None
    slack_seconds: float

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True)
class OldRun:
    """What the files of one run say. facts: its training's part of ``experiment.json``."""

    whole: Mapping[str, Any]
    facts: Mapping[str, Any]
    span: Span
    power: sampled_power.Samples
    utilization: sampled_power.Samples
    energy: Energy

    @property
    def experiment_id(self) -> str:
        return str(self.whole["experiment_id"])

    @property
    def background(self) -> Mapping[str, Any] | None:
        found = self.whole.get("background")
        return found if isinstance(found, dict) else None

    @property
    def parallel(self) -> bool:
        return self.whole.get("mode") == "parallel" or self.background is not None

    @property
    def reported(self) -> Mapping[str, Any]:
        """The older tool's own figures."""
        found = self.facts.get("energy_metrics")
        return found if isinstance(found, dict) else {}


def read_run(texts: Mapping[str, str | None]) -> OldRun:
    """texts: by the keys of `FILES`; None: not there. Raises BrokenRun."""
    whole, facts = _facts(texts["experiment"])
    power = _samples(texts["power"], sampled_power.POWER, "power")
    utilization = _samples(texts["utilization"], sampled_power.UTILIZATION, "utilization")
    raw, summary = texts["raw"], texts["summary"]
    output = perf_output.parse_perf(raw or "")
    span = _span(whole, facts, output, power)
    absent, source = None, perf_output.RAW_SOURCE
    readings = output.readings
    if raw is None:
        readings = perf_output.parse_summary(summary or "")
        source = perf_output.SUMMARY_SOURCE
        absent = None if readings else f"there is no {FILES['raw']}, nor figures in a summary of it"
    elif not readings:
        absent = f"{FILES['raw']} holds no energy: it is cut off, or perf failed"
    # What perf counted is exact for perf's own time, which is the span where it tells it.
    cpu = perf_output.cpu_energies(
        readings, span.seconds, source=source, slack_seconds=span.slack_seconds, absent=absent
    )
    domains = (*cpu, _gpu_energy(power, span))
    statistics = SamplerStatistics(power.mean_interval_seconds or 0.0)
    energy = Energy(span.start, span.end, domains, statistics)
    return OldRun(whole, facts, span, power, utilization, energy)


def _samples(text: str | None, column: str, what: str) -> sampled_power.Samples:
    if text is None:
        return sampled_power.Samples(missing=f"there is no {FILES[what]}")
    samples = sampled_power.parse_samples(text, column)
    if samples.missing is None:
        return samples
    return sampled_power.Samples(unread=samples.unread, missing=f"{FILES[what]}: {samples.missing}")


def _facts(text: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    name = FILES["experiment"]
    if text is None:
        raise BrokenRun(f"there is no {name}")
    try:
        whole = json.loads(text, parse_constant=lambda _: None)
    except ValueError as error:
        raise BrokenRun(f"{name} is no JSON: {error}") from error
    if not isinstance(whole, dict):
        raise BrokenRun(f"{name} is no JSON object")
    facts = whole.get("foreground", whole)
    if not isinstance(facts, dict):
        raise BrokenRun(f"{name}: foreground is no JSON object")
    for place, key, kind in (
        (whole, "experiment_id", str),
        (facts, "repository", str),
        (facts, "model", str),
        (facts, "hyperparameters", dict),
        (facts, "training_success", bool),
    ):
        if not isinstance(place.get(key), kind) or place[key] == "":
            raise BrokenRun(f"{name}: {key} is missing, or no {kind.__name__}")
    return whole, facts


def number(value: Any) -> float | None:
    """A figure of the older tool, if it is one."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _span(
    whole: Mapping[str, Any],
    facts: Mapping[str, Any],
    output: perf_output.PerfOutput,
    power: sampled_power.Samples,
) -> Span:
    """perf wrapped the training, so its start and time are the foreground's.

    perf tells its start in whole seconds of local time: half a second is added, and the time zone
    follows from the samples, which began with it.
    """
    local, seconds = output.started, output.seconds
    source, slack = "perf", 0.0
    if local is not None:
        local += timedelta(seconds=0.5)
    if local is None or seconds is None:
        source, slack = FILES["experiment"], UNKNOWN_SPAN_SECONDS
        seconds = number(facts.get("duration_seconds"))
        if not seconds or seconds <= 0:
            raise BrokenRun("how long it took is neither in perf's output nor in experiment.json")
        local = _written(whole) - timedelta(seconds=seconds)
    naive = local.replace(tzinfo=timezone.utc).timestamp()
    offset = None
    if power.missing is None:
        late = naive - power.times[0]
        near = round(late / QUARTER_SECONDS) * QUARTER_SECONDS
        if abs(late - near) <= NEAR_SECONDS and abs(near) <= 14 * 3600:
            offset = near
    return Span(local, naive - (offset or 0), seconds, source, offset, slack)


def _written(whole: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(whole.get("timestamp"))).replace(tzinfo=None)
    except ValueError:
        raise BrokenRun(
            "when it began is neither in perf's output nor, as timestamp, in experiment.json"
        ) from None


def _gpu_energy(power: sampled_power.Samples, span: Span) -> DomainEnergy:
    found = sampled_power.power_span(power, span.start, span.end)
    if found.joules is not None and span.utc_offset_seconds is None:
        why = "its samples are not of the time at which the run began, in any time zone"
        return DomainEnergy(sampled_power.GPU, None, None, why)
    if found.joules is None:
        return DomainEnergy(sampled_power.GPU, None, None, found.missing)
    budget = dict(found.budget)
    if span.slack_seconds:
        budget["window"] = found.joules * min(1.0, span.slack_seconds / span.seconds)
    return DomainEnergy(sampled_power.GPU, found.joules, sum(budget.values()), None, budget)
