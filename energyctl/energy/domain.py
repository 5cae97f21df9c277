"""What is measured (`Domain`), when (`Phase`), and the result (`Energy`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Literal, cast

from energyctl.energy.acceptance import Acceptance
from energyctl.energy.checks import Check
from energyctl.energy.schema import DomainFigures, EnergyFigures, Kind, SamplerJson
from energyctl.text import duration, number, percent

Quantity = Literal["energy", "power"]

# A total that is uncertain by more than this share of itself is warned about.
WIDE = 0.01


@dataclass(frozen=True)
class Domain:
    """One part of the machine whose energy one source tells.

    in_total: its joules belong to the total; False for parts of another domain (core, uncore),
        for the platform around them (psys), and for a package seen through a second interface.
    quantity: "energy" is a counter in joules, "power" are watts to integrate.
    wrap_joules: the counter starts over after this many joules; None: it does not.
    max_watts: no more than this flows; tells how long a gap could hide a whole wrap.
    resolution_joules: one unit of the counter.
    resolution_watts: one unit of a power reading.
    update_seconds: the figure moves about this often (0: at once); of a counter the samples may
        tell better.
    averaging_seconds: a power reading is the mean over this long before it.
    delay_seconds: a counter shows what had flowed so long before, give or take
        delay_within_seconds; None: not known.
    part_time: whether the sensor sees only a part of the time; None: not known.
    acceptance: what `doctor --accept` found of it; None: it is not a domain to be accepted.
    relative_uncertainty: the stated share by which all its figures may be off.
    remote: it is asked over a network, at instants of its own: seldom, and with answers that come
        late.
    answer_seconds: of a remote one, two answers lie no further apart, where it answers at all.
    part: the physical thing, whatever the source: "package-0", "package-0/dram", "gpu/UUID". Of
        several domains with one part a single one is in the total. None: nothing else shows it.
    check: the name of a domain that shows the same power in another way; what the two disagree by
        is uncertain.
    missing: why it cannot be read and what to do; None: it can.
    checks: what came of trying it when its source was opened.
    """

    name: str
    kind: Kind
    source: str
    measured: bool = True
    in_total: bool = True
    quantity: Quantity = "energy"
    wrap_joules: float | None = None
    max_watts: float | None = None
    resolution_joules: float = 0.0
    resolution_watts: float = 0.0
    update_seconds: float = 0.0
    averaging_seconds: float = 0.0
    delay_seconds: float | None = None
    delay_within_seconds: float = 0.0
    part_time: bool | None = None
    acceptance: Acceptance | None = None
    relative_uncertainty: float = 0.0
    remote: bool = False
    answer_seconds: float = 0.0
    part: str | None = None
    check: str | None = None
    missing: str | None = None
    checks: tuple[Check, ...] = ()

    @property
    def is_part(self) -> bool:
        """One of those that add up to the machine, also where another domain is the total alone."""
        return is_part(self.in_total, self.kind, self.missing)

    @property
    def always_draws(self) -> bool:
        """Packages, memory and GPUs do; a part of one may be off, and so may other devices."""
        return self.measured and self.is_part and self.kind != "other"

    def believes(self, watts: float) -> bool:
        """Whether a counter of it can be held against a power reading beside it."""
        return 0 < watts <= (self.max_watts or inf)


def is_part(in_total: bool, kind: str | None, missing: str | None) -> bool:
    """The rule of :attr:`Domain.is_part`, also of a domain that is read from a result."""
    return in_total or (kind not in ("other", None) and missing is None)


COLLECTIVE = ("packages", "memory")
"""Parts that are all CPU packages, and all memory, together."""


def count_once(domains: Sequence[Domain]) -> list[Domain]:
    """*domains* in their order, so labelled that a total of them counts each joule once.

    Of those with one `part` the first that can be read is in the total. What cannot be read stays
    in it, and leaves it unknown, unless another domain shows the same part or all of its kind
    together, or an estimate stands in for the CPU.
    """
    counted: dict[str, Domain] = {}
    for domain in domains:
        if domain.part and domain.in_total and domain.missing is None:
            counted.setdefault(domain.part, domain)
    estimated = any(d.in_total and not d.measured for d in domains)
    together = {counted[part].kind for part in COLLECTIVE if part in counted}
    labelled = []
    for domain in domains:
        double = domain.part in counted and counted[domain.part] is not domain
        shown = domain.missing and domain.kind in together and domain.part not in COLLECTIVE
        if domain.in_total and (double or shown):
            domain = replace(domain, in_total=False, kind="other")
        elif domain.missing and estimated and domain.kind in ("cpu", "dram"):
            domain = replace(domain, in_total=False)
        labelled.append(domain)
    return labelled


@dataclass(frozen=True)
class Phase:
    """A named stretch of the time line; Unix seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class DomainEnergy:
    """Joules of one domain over one interval; None with the reason in `missing`.

    budget: what `uncertainty_joules` consists of, joules by cause (see `CAUSES`).
    checks: whether the figure can be right; one that is refused is None.
    """

    domain: Domain
    joules: float | None
    uncertainty_joules: float | None
    missing: str | None = None
    budget: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    @property
    def common_joules(self) -> float | None:
        """Of the uncertainty, what runs that begin and end alike have in common."""
        return None if self.joules is None else common_joules(self.budget)

    @property
    def own_joules(self) -> float | None:
        """The rest of it."""
        return _less(self.uncertainty_joules, self.common_joules)

    @property
    def no_energy(self) -> str:
        """The warning where it has none."""
        return f"no energy of {self.domain.name}: {self.missing}"

    @property
    def doubts(self) -> list[str]:
        """A warning for each check over this interval that it did not pass."""
        doubted = [check for check in self.checks if check.verdict == "doubted"]
        return [f"the energy of {self.domain.name} is doubtful: {c.words}" for c in doubted]

    def to_json(self) -> DomainFigures:
        figures: DomainFigures = {
            "name": self.domain.name,
            "kind": self.domain.kind,
            "source": self.domain.source,
            "measured": self.domain.measured,
            "in_total": self.domain.in_total,
            "joules": self.joules,
            "uncertainty_joules": self.uncertainty_joules,
            "own_joules": self.own_joules,
            "common_joules": self.common_joules,
            "budget": dict(self.budget),
            "checks": [check.to_json() for check in (*self.domain.checks, *self.checks)],
            "missing": self.missing,
        }
        if self.domain.acceptance is not None:
            figures["acceptance"] = self.domain.acceptance.to_json()
        return figures


@dataclass(frozen=True)
class Cause:
    """Of an uncertainty: what it is, and what to do about it.

    fades: it stays the same in joules however long the run, so a longer run makes it matter less.
    common: runs on one machine that begin and end alike are off by the same.
    """

    why: str
    cure: str = "measure a longer run"
    fades: bool = True
    common: bool = False


CAUSES = {
    "interpolation": Cause(
        "the counter moves in steps, so the energy at the run's two ends is uncertain"
    ),
    "location": Cause("the time of the counter's last step is known only to some milliseconds"),
    "delay": Cause("the counter's delay is known only to some milliseconds", common=True),
    "assumed_delay": Cause(
        "the counter's delay is not known, and power differs between the run's begin and end",
        common=True,
    ),
    "attention": Cause(
        "the counter's sensor measures only a part of the time, and power varied",
        "measure a longer run, or several, and no load whose iterations take as long as the sensor",
        fades=False,
    ),
    "window": Cause(
        "metering begins and ends some milliseconds outside of the program", common=True
    ),
    "wraps": Cause(
        "the counter started over before the end of its stated range",
        "use another source, or see what the kernel says about the counter (dmesg)",
        fades=False,
    ),
    "unit": Cause("the counter's unit is coarse"),
    "gaps": Cause(
        "power is read at intervals, and may have changed at any time in between",
        "use a GPU with an energy counter, or a shorter sampling interval",
        fades=False,
    ),
    "disagreement": Cause(
        "two power readings of this GPU disagree, as they do when its load repeats quickly",
        "use a GPU with an energy counter",
        fades=False,
    ),
    "edges": Cause("power was not read in time at the run's begin or end"),
    "stamps": Cause(
        "the readings' time stamps are coarse", "record finer time stamps", fades=False
    ),
    "averaging": Cause(
        "the power reading is an average over the time before it, so the run's two ends are blurred"
    ),
    "stated": Cause(
        "this source is no more accurate than that",
        "use an energy counter (see energyctl doctor)",
        fades=False,
        common=True,
    ),
}
"""By their names in `DomainEnergy.budget`."""


def common_joules(budget: Mapping[str, float]) -> float:
    """Of an uncertainty's budget, what runs on one machine that begin and end alike share."""
    return sum((joules for cause, joules in budget.items() if CAUSES[cause].common), 0.0)


PROPORTIONAL = ("stated", "window")
"""Causes that are one share of the joules of any interval of a series."""


def proportional_joules(budget: Mapping[str, float], *, measured: bool) -> float:
    """Of an uncertainty's budget, what moves a difference of two energies by its share of the
    difference only. Nothing of an estimate: its error need not be one share under two loads."""
    return sum((budget.get(cause, 0.0) for cause in PROPORTIONAL), 0.0) if measured else 0.0


@dataclass(frozen=True)
class SamplerStatistics:
    """How the sampling went. missed: deadlines passed over; cpu_seconds: the sampler's own."""

    interval_seconds: float
    samples: int = 0
    missed: int = 0
    max_gap_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def to_json(self) -> SamplerJson:
        return cast("SamplerJson", asdict(self))


@dataclass(frozen=True)
class Energy:
    """Energy of the whole machine's domains from `start` to `end` (Unix seconds).

    Sums are strict: where one domain that belongs to a sum has no figure, the sum is None and
    `warnings` says why. A smaller number than the truth would look like a measurement.

    Uncertainties come from what the samples cannot tell: where between two steps of a counter an
    edge lies, the counter's unit, gaps, and stated bands. They are half-widths of bands that hold
    the truth, not standard deviations, so sums add them up. A sensor's own calibration, which the
    makers do not state for counters, is not in them.
    """

    start: float
    end: float
    domains: tuple[DomainEnergy, ...]
    sampler: SamplerStatistics

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def _in_total(self) -> list[DomainEnergy]:
        return [d for d in self.domains if d.domain.in_total]

    def _measured(self, kind: Kind) -> float | None:
        of_kind = [d for d in self._in_total() if d.domain.kind == kind]
        if any(not d.domain.measured for d in of_kind):
            return None
        return _sum(d.joules for d in of_kind)

    @property
    def total_joules(self) -> float | None:
        """Packages, DRAM and GPUs, each joule once; None where a part or all of them is unknown."""
        return _sum(d.joules for d in self._in_total())

    @property
    def uncertainty_joules(self) -> float | None:
        """Half-width of the total's band: the sum of the domains' (see the class)."""
        return _sum(d.uncertainty_joules for d in self._in_total())

    @property
    def common_joules(self) -> float | None:
        """Of the uncertainty, what runs that begin and end alike have in common."""
        return _sum(d.common_joules for d in self._in_total())

    @property
    def own_joules(self) -> float | None:
        """The rest of it."""
        return _less(self.uncertainty_joules, self.common_joules)

    @property
    def cpu_package_joules(self) -> float | None:
        """Sum of the measured packages; None where they are estimated or unknown."""
        return self._measured("cpu")

    @property
    def cpu_dram_joules(self) -> float | None:
        return self._measured("dram")

    @property
    def gpu_joules(self) -> float | None:
        return self._measured("gpu")

    @property
    def measured(self) -> bool:
        """There is a total, and no part of it is an estimate."""
        return self.total_joules is not None and all(d.domain.measured for d in self._in_total())

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each reason why a sum is None, may be wrong, or is uncertain by 1 %."""
        unknown = [entry.no_energy for entry in self._in_total() if entry.joules is None]
        return (*unknown, *self.doubts, *self.total_warnings)

    @property
    def doubts(self) -> tuple[str, ...]:
        """One line for each figure of the total that may be wrong, with what speaks against it."""
        return tuple(line for entry in self._in_total() for line in entry.doubts)

    @property
    def total_warnings(self) -> tuple[str, ...]:
        """Those of the total alone."""
        lines = []
        if not self._in_total():
            lines.append("no domain could be metered, so there is no total")
        elif self.total_joules is None:
            lines.append("the total energy is unknown, because a part of it is unknown")
        doubtful = self._doubtful()
        return (*lines, doubtful) if doubtful else tuple(lines)

    def _doubtful(self) -> str | None:
        """Why the total is uncertain by more than 1 %, and what helps; None where it is not."""
        total, uncertainty = self.total_joules, self.uncertainty_joules
        if total is None or uncertainty is None or uncertainty <= WIDE * total:
            return None
        widest = max(self._in_total(), key=lambda d: d.uncertainty_joules or 0.0)
        name = max(widest.budget, key=lambda c: widest.budget[c], default="stated")
        cause = CAUSES[name]
        share = percent(uncertainty / total) if total > 0 else f"{number(uncertainty)} J of 0 J"
        cure = cause.cure
        if cause.fades and total > 0:
            cure += f" ({duration(self.seconds * uncertainty / (WIDE * total))} or more)"
        return (
            f"the total energy is uncertain by {share}, mostly because of {widest.domain.name} "
            f"({widest.domain.source}): {cause.why}; {cure}"
        )

    def to_json(self) -> EnergyFigures:
        """The "energy" object of a file, but for what only a result has."""
        return {
            "seconds": self.seconds,
            "total_joules": self.total_joules,
            "uncertainty_joules": self.uncertainty_joules,
            "own_joules": self.own_joules,
            "common_joules": self.common_joules,
            "cpu_package_joules": self.cpu_package_joules,
            "cpu_dram_joules": self.cpu_dram_joules,
            "gpu_joules": self.gpu_joules,
            "measured": self.measured,
            "domains": [d.to_json() for d in self.domains],
            "sampler": self.sampler.to_json(),
        }


def _sum(figures: Iterable[float | None]) -> float | None:
    """None for no figure at all, and where one of them is None."""
    total: float | None = None
    for figure in figures:
        if figure is None:
            return None
        total = figure if total is None else total + figure
    return total


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else max(0.0, whole - part)
