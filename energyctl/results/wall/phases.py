"""A result → the powers of its phases, at a meter of the whole machine and of its domains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from energyctl.energy.wall import PhasePower
from energyctl.results.phases import kind_of
from energyctl.results.tables import Part, accessors, total
from energyctl.text import percent

STEADY = ("idle", "context_held", "background_only", "foreground")
"""In the others the load comes and goes: a meter that is late tells another power than counters."""
LEAST_SECONDS = 1.0
MOST_UNCERTAIN = 0.1
"""Of the power at the wall."""


@dataclass(frozen=True)
class Machine:
    """What a calibration is of. domains: those in the total; gpus: UUIDs of all that there are."""

    hostname: str
    domains: tuple[str, ...]
    gpus: tuple[str, ...]


@dataclass
class WallPhases:
    """Of results of one machine. scale: share by which the meter's own may be off, as it states.

    left_out: why phases are, and how many.
    """

    phases: list[PhasePower] = field(default_factory=list)
    runs: int = 0
    scale: float = 0.0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, result: Part, meter: str) -> None:
        """A result that has a domain of that name."""
        domains = result.part("energy").parts("domains")
        told = {one.text("name"): one for one in domains}[meter]
        stated = _stated_share(told)
        if stated is None:
            self.left_out[f"a run in whose training {meter} failed"] += 1
            return
        self.scale = max(self.scale, stated)
        self.runs += 1
        for phase in result.parts("phases"):
            if kind_of(phase.text("name") or "") in STEADY:
                self._add_phase(phase, told, counted(result))

    def _add_phase(self, phase: Part, meter: Part, domains: Sequence[Part]) -> None:
        power = _phase_power(phase, meter, domains)
        if isinstance(power, str):
            self.left_out[power] += 1
        else:
            self.phases.append(power)


def machine_of(result: Part) -> Machine | None:
    """None where it is not known, or nothing was metered."""
    facts = result.part("environment")
    hostname, names = facts.text("hostname"), [one.text("name") for one in counted(result)]
    if hostname is None or not names:
        return None
    uuids = [gpu.text("uuid") for gpu in facts.parts("gpus")]
    return Machine(hostname, _sorted(names), _sorted(uuids))


def counted(result: Part) -> list[Part]:
    """The domains in its total."""
    return [one for one in result.part("energy").parts("domains") if one.flag("in_total")]


def own_joules(domain: Part, joules: float | None, uncertainty: float | None) -> float | None:
    """Of an uncertainty, what is not one share of all figures of that domain: a fit to figures of
    the same domain has that in its slope."""
    if joules is None or uncertainty is None:
        return None
    return max(0.0, uncertainty - (_stated_share(domain) or 0.0) * abs(joules))


def watts_by_part(
    domains: Sequence[Part], joules: Mapping[str, float | None], seconds: float
) -> tuple[float, float] | None:
    """Of CPUs and memory, and of GPUs; None where a part is not known."""
    parts: list[float] = []
    for gpu in (False, True):
        of_part = [one for one in domains if (one.text("kind") == "gpu") == gpu]
        sum_of = total([joules.get(one.text("name") or "") for one in of_part])
        if of_part and sum_of is None:
            return None
        parts.append((sum_of or 0.0) / seconds)
    return parts[0], parts[1]


def _phase_power(phase: Part, meter: Part, domains: Sequence[Part]) -> PhasePower | str:
    """Or the reason why it tells nothing."""
    seconds = accessors.seconds_between(phase.time("start"), phase.time("end"))
    if seconds is None or seconds < LEAST_SECONDS:
        return f"a phase shorter than {LEAST_SECONDS:g} s"
    joules, bands = phase.numbers("joules"), phase.numbers("uncertainty_joules")
    name = meter.text("name") or ""
    parts, wall = watts_by_part(domains, joules, seconds), joules.get(name)
    names = [name, *(one.text("name") or "" for one in domains)]
    own = total(
        own_joules(one, joules.get(each), bands.get(each))
        for one, each in zip([meter, *domains], names, strict=True)
    )
    if parts is None or wall is None or own is None or wall <= 0:
        return "a phase in which the energy of a domain is not known"
    if own > MOST_UNCERTAIN * wall:
        most = percent(MOST_UNCERTAIN, 0)
        return f"a phase uncertain by more than {most} at the wall: a slow meter needs longer ones"
    return PhasePower(seconds, wall / seconds, *parts, own / seconds, phase.text("name") or "")


def _stated_share(domain: Part) -> float | None:
    """By how much all its figures may be off alike, as its source states: 0 where it states
    nothing, None where the energy that it is a share of is not known."""
    stated, joules = domain.part("budget").number("stated"), domain.number("joules")
    if joules is None:
        return None
    return abs(stated / joules) if stated and joules else 0.0


def _sorted(names: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if name is not None))
