"""What the foreground added to the machine: its energy less that of a baseline phase.

    added = joules(foreground) - watts(baseline) x seconds(foreground)

Of whole domains, as everything here: the difference holds whatever changed between the two phases,
the foreground first of all, but also the machine's own work, its fans and its temperature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyctl.energy.domain import WIDE, DomainEnergy, Phase
from energyctl.energy.recording import Recording
from energyctl.text import energy

# A baseline that is shorter tells next to nothing of the power.
LEAST_SECONDS = 1.0
WIDE_SHARE = 0.1


@dataclass(frozen=True)
class EnergyAboveBaseline:
    """Joules above a baseline, of one domain or of the total; None with the reason in `missing`.

    joules may be negative: the foreground may slow down the load that it runs beside.
    """

    joules: float | None
    uncertainty_joules: float | None
    missing: str | None = None


@dataclass(frozen=True)
class Power:
    """Mean power of a domain over a baseline, with its half-width; or the reason for none."""

    watts: float | None
    uncertainty_watts: float | None
    missing: str | None = None


@dataclass(frozen=True)
class Baseline:
    """Power by domain; `missing`: why it is none of any."""

    power: Mapping[str, Power]
    missing: str | None = None


def baseline_of(recording: Recording, name: str, before: float) -> Baseline:
    """Mean power in all phases of that name that ended before an instant (Unix seconds).

    By how much its power moved, from its first half to its second, it may have moved further: that
    is part of the uncertainty.
    """
    phases = [p for p in recording.phases if p.name == name and p.start < p.end <= before]
    seconds = sum(phase.end - phase.start for phase in phases)
    if not phases:
        return Baseline({}, f"there is no phase {name} before it")
    if seconds < LEAST_SECONDS:
        why = f"the phase {name} before it lasted {seconds:.1f} s, too short for a baseline"
        return Baseline({}, why)
    return Baseline({domain: _power(recording, domain, phases) for domain in recording.series})


def above(
    recording: Recording, baseline: str | Baseline, start: float, end: float
) -> tuple[EnergyAboveBaseline, dict[str, EnergyAboveBaseline]]:
    """(total, by domain) of what flowed from `start` to `end` (Unix seconds) above a baseline, or
    above the phases of that name before it. The baseline's uncertainty counts for all that time.
    """
    if isinstance(baseline, str):
        baseline = baseline_of(recording, baseline, start)
    energy = recording.energy(start, end)
    if baseline.missing is not None:
        nothing = EnergyAboveBaseline(None, None, baseline.missing)
        return nothing, {d.domain.name: nothing for d in energy.domains}
    domains = {entry.domain.name: _above(entry, baseline, end - start) for entry in energy.domains}
    parts = [domains[d.domain.name] for d in energy.domains if d.domain.in_total]
    return _total(parts), domains


def doubtful(name: str, added: EnergyAboveBaseline, total_joules: float | None) -> str | None:
    """A line where a figure is uncertain by a tenth of itself, and by 1 % of the foreground."""
    joules, uncertainty = added.joules, added.uncertainty_joules
    if joules is None or uncertainty is None or total_joules is None:
        return None
    if uncertainty <= max(WIDE_SHARE * abs(joules), WIDE * total_joules):
        return None
    return (
        f"{name} is {energy(joules, uncertainty)}: its baseline was too short, or power varied; "
        "a longer one helps (idle_seconds, settle.seconds)"
    )


def _above(entry: DomainEnergy, baseline: Baseline, seconds: float) -> EnergyAboveBaseline:
    if entry.joules is None or entry.uncertainty_joules is None:
        return EnergyAboveBaseline(None, None, entry.missing)
    power = baseline.power.get(entry.domain.name) or Power(None, None, "its baseline is unknown")
    if power.watts is None or power.uncertainty_watts is None:
        return EnergyAboveBaseline(None, None, power.missing)
    return EnergyAboveBaseline(
        entry.joules - power.watts * seconds,
        entry.uncertainty_joules + power.uncertainty_watts * seconds,
    )


def _power(recording: Recording, domain: str, phases: Sequence[Phase]) -> Power:
    series = recording.series[domain]
    spans = [series.between(phase.start, phase.end) for phase in phases]
    for span in spans:
        if span.joules is None:
            return Power(None, None, f"its baseline is unknown: {span.missing}")
    seconds = sum(phase.end - phase.start for phase in phases)
    watts = sum(span.joules or 0.0 for span in spans) / seconds
    doubt = sum(span.uncertainty_joules or 0.0 for span in spans) / seconds
    longest = max(phases, key=lambda phase: phase.end - phase.start)
    middle = (longest.start + longest.end) / 2
    first = series.between(longest.start, middle).joules
    second = series.between(middle, longest.end).joules
    if first is not None and second is not None:
        doubt += abs(second - first) / (middle - longest.start) / 2
    return Power(watts, doubt)


def _total(parts: Sequence[EnergyAboveBaseline]) -> EnergyAboveBaseline:
    if not parts:
        return EnergyAboveBaseline(None, None, "nothing was metered")
    joules = uncertainty = 0.0
    for part in parts:
        if part.joules is None or part.uncertainty_joules is None:
            return EnergyAboveBaseline(None, None, part.missing)
        joules += part.joules
        uncertainty += part.uncertainty_joules
    return EnergyAboveBaseline(joules, uncertainty)
