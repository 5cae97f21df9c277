"""What the foreground added to the machine: its energy less that of a baseline around it.

    added = joules(foreground) - watts(baseline) x seconds(foreground)

It is what would be saved if the foreground did not run, and the load went on alone for as long: no
share of what flowed, since the load does less work meanwhile than it would alone. Its uncertainty
is of the meters, of the baseline's blocks and of their drift in this run; how much runs differ is
not in it.

Of whole domains, as everything here: the difference holds whatever else changed meanwhile, the
machine's own work, its fans and its temperature. So a baseline is taken before the foreground and
after it, as far as there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from energyctl.energy.block_power import Block, BlockPower, Power, block_power, joined, mean_power
from energyctl.energy.domain import WIDE, Domain, DomainEnergy, Energy, proportional_joules
from energyctl.energy.recording import Recording
from energyctl.text import energy as energy_text

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
class Baseline:
    """Power by domain, before a foreground and after it; `missing`: why it is none of any.

    unknown: domains without a figure before it → the reason. One without a figure after it has
    that of before.
    """

    before: Mapping[str, BlockPower] = field(default_factory=dict)
    after: Mapping[str, BlockPower] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    missing: str | None = None

    def power(self, domain: str, start: float, end: float) -> Power:
        """What the domain would have drawn from *start* to *end* (Unix seconds)."""
        if domain not in self.before:
            why = self.unknown.get(domain, "it was not metered")
            return Power(None, None, f"its baseline is unknown: {why}")
        return mean_power(self.before[domain], self.after.get(domain), start, end)

    def with_after(self, recording: Recording, after: Sequence[Block]) -> Baseline:
        """The same with other blocks after it, of another recording."""
        return replace(self, after=_powers(recording, after)[0])

    def watts(self, domains: Sequence[Domain], start: float, end: float) -> float | None:
        """What the total would have drawn meanwhile; None: not known."""
        counted = [domain.name for domain in domains if domain.in_total]
        watts = [self.power(name, start, end).watts for name in counted]
        known = [one for one in watts if one is not None]
        return sum(known) if known and len(known) == len(watts) else None

    def drift(self, domains: Sequence[Domain]) -> float | None:
        """By what share of it the total's power rose from before to after; None: not known."""
        names = [domain.name for domain in domains if domain.in_total]
        if not all(name in self.before and name in self.after for name in names):
            return None
        before = sum(self.before[name].mean for name in names)
        after = sum(self.after[name].mean for name in names)
        return 2 * (after - before) / (after + before) if after + before else None


def baseline_of(
    recording: Recording, before: Sequence[Block], after: Sequence[Block] = ()
) -> Baseline:
    """That of whole courses of the load (or of any stretches of idle), in their order."""
    seconds = sum(end - start for start, end in before)
    if seconds < LEAST_SECONDS:
        return Baseline(missing=f"its {seconds:.1f} s are too short for a baseline")
    powers, unknown = _powers(recording, before)
    return Baseline(powers, _powers(recording, after)[0], unknown)


def _powers(
    recording: Recording, blocks: Sequence[Block]
) -> tuple[dict[str, BlockPower], dict[str, str]]:
    powers, unknown = dict[str, BlockPower](), dict[str, str]()
    long_enough = joined(blocks)
    for name, series in recording.series.items() if long_enough else ():
        check = recording.series.get(series.domain.check or "")
        power = block_power(series, long_enough, check)
        if isinstance(power, BlockPower):
            powers[name] = power
        else:
            unknown[name] = power
    return powers, unknown


def above(
    energy: Energy, baseline: Baseline
) -> tuple[EnergyAboveBaseline, dict[str, EnergyAboveBaseline]]:
    """(total, by domain) of an energy above a baseline by the same meters. The baseline's
    uncertainty counts for all that time, and what is one share of any joules for the difference.
    """
    if baseline.missing is not None:
        nothing = EnergyAboveBaseline(None, None, baseline.missing)
        return nothing, {d.domain.name: nothing for d in energy.domains}
    domains = {
        one.domain.name: _above(one, baseline, energy.start, energy.end) for one in energy.domains
    }
    parts = [domains[d.domain.name] for d in energy.domains if d.domain.in_total]
    return _total(parts), domains


def doubtful(
    name: str, added: EnergyAboveBaseline, total_joules: float | None, why: str
) -> str | None:
    """A line where a figure is uncertain by a tenth of itself, and by 1 % of the foreground; *why*,
    and what to do."""
    joules, uncertainty = added.joules, added.uncertainty_joules
    if joules is None or uncertainty is None or total_joules is None:
        return None
    if uncertainty <= max(WIDE_SHARE * abs(joules), WIDE * total_joules):
        return None
    return f"{name} is uncertain, {energy_text(joules, uncertainty)}: {why}"


def _above(
    entry: DomainEnergy, baseline: Baseline, start: float, end: float
) -> EnergyAboveBaseline:
    if entry.joules is None or entry.uncertainty_joules is None:
        return EnergyAboveBaseline(None, None, entry.missing)
    power, seconds = baseline.power(entry.domain.name, start, end), end - start
    if power.watts is None or power.uncertainty_watts is None:
        return EnergyAboveBaseline(None, None, power.missing)
    added = entry.joules - power.watts * seconds
    alike = proportional_joules(entry.budget, measured=entry.domain.measured)
    of_difference = alike / entry.joules * abs(added) if alike else 0.0
    apart = entry.uncertainty_joules - alike + power.uncertainty_watts * seconds
    return EnergyAboveBaseline(added, apart + of_difference)


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
