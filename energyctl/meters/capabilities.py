"""What the meters can tell on this machine: for `energyctl doctor` and for `require`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from energyctl.energy import Domain, Energy
from energyctl.meters.base import GpuProcess, NotReported, Source
from energyctl.meters.parts import is_in
from energyctl.meters.probe import ProbedDomain, is_stepped, probe_sources

# Several moves of a GPU's counter, the slowest there is.
SURVEY_SECONDS = 1.0
MINUTE = 60.0


@dataclass(frozen=True)
class Row:
    """One domain, or one source without any.

    As measured now: update_seconds: how often it moves, where at_most is set not less often than
    that (it could not be looked at more closely); step_joules and smallest_step_joules: by how
    much a counter moves usually and at least; watts: power. None: unknown.
    uncertainty_1_min, uncertainty_10_min: half-width of the band of a typical run of that length,
    as a share of its energy; typical_watts: its mean power; round_seconds: that reading all such
    counters takes one after the other. None: no energy can be told.
    cure: why it cannot be read, or not well, and what to do. needed: False for a source that was
    left closed or has nothing, where another one measures what it would.
    """

    source: str
    domain: str | None
    readable: bool
    measured: bool
    in_total: bool
    covers: str
    needed: bool = True
    update_seconds: float | None = None
    at_most: bool = False
    step_joules: float | None = None
    smallest_step_joules: float | None = None
    watts: float | None = None
    uncertainty_1_min: float | None = None
    uncertainty_10_min: float | None = None
    typical_watts: float | None = None
    round_seconds: float | None = None
    cure: str | None = None


@dataclass(frozen=True)
class Together:
    """Of several rows: their power now, and the uncertainties of their sum; see `Row`."""

    watts: float | None = None
    uncertainty_1_min: float | None = None
    uncertainty_10_min: float | None = None


def together(rows: Sequence[Row]) -> Together:
    """Bands of a sum add up. Where one of them is not known, nothing is known of the sum."""
    typical = [row.typical_watts for row in rows]
    whole = sum(watts for watts in typical if watts)
    if not whole or None in typical:
        return Together()
    return Together(
        sum(row.watts or 0.0 for row in rows),
        _share_of_sum([row.uncertainty_1_min for row in rows], typical),
        _share_of_sum([row.uncertainty_10_min for row in rows], typical),
    )


def _share_of_sum(shares: Sequence[float | None], typical: Sequence[float | None]) -> float | None:
    if None in shares:
        return None
    bands = ((share or 0.0) * (watts or 0.0) for share, watts in zip(shares, typical, strict=True))
    return sum(bands) / sum(watts or 0.0 for watts in typical)


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


def why_null(energy: Energy, meters: Sequence[Source]) -> dict[str, str]:
    """The reason for each figure that is null in the "energy" object of a result."""
    kinds = {"cpu_package_joules": "cpu", "cpu_dram_joules": "dram", "gpu_joules": "gpu"}
    reasons = {}
    for key, kind in kinds.items():
        if getattr(energy, key) is None:
            lines = missing_kinds(meters, [kind]) or _beside_total(energy, kind)
            broken = [d.missing for d in energy.domains if d.domain.kind == kind and d.missing]
            reasons[key] = (lines or broken or ["a part of it is unknown"])[0]
    return reasons


def _beside_total(energy: Energy, kind: str) -> list[str]:
    """Why the sum of a kind is null that is measured: the total is another domain alone."""
    if any(d.domain.in_total for d in energy.domains if d.domain.kind == kind):
        return []
    total = ", ".join(d.domain.name for d in energy.domains if d.domain.in_total)
    return [f"the total is {total} alone; what stands beside it is among the domains"]


def _why_none(meters: Sequence[Source], kind: str) -> str:
    domains = [d for meter in meters for d in meter.domains() if d.is_part]
    wholes = [d.name for d in domains if is_in(d, kind) and d.kind != kind]
    if wholes:
        return f"it is a part of {', '.join(wholes)}, and not measured apart from it"
    name = "nvml" if kind == "gpu" else "powercap"
    for meter in meters:
        if meter.name == name and meter.unavailable:
            return meter.unavailable
    return f"this machine has no counter for {kind}"


def gpu_processes(meter: Source) -> tuple[Sequence[GpuProcess], str | None]:
    """Who is on its GPUs now, and why not all of it is known, whatever a plug-in raises."""
    try:
        return meter.processes(), None
    except NotReported as error:
        return error.processes, str(error)
    except Exception as error:
        return (), f"{meter.name}: {str(error) or type(error).__name__}"


def unmetered_processes(meter: Source) -> Sequence[GpuProcess]:
    """Who is on the GPUs that it does not meter, as far as that is to be had."""
    try:
        return meter.unmetered_processes()
    except Exception:
        return ()


def describe(
    meters: Sequence[Source], *, seconds: float = SURVEY_SECONDS, how_well: bool = False
) -> list[Row]:
    """A row per domain, watched for `seconds`, and one per absent source.

    how_well: with the uncertainty that is typical of each, which takes seconds of computing;
    without it, counters that move often are watched for a shorter time.
    """
    probed = probe_sources(meters, seconds, glance=not how_well)
    rows = []
    for meter in meters:
        if meter.unavailable and not meter.domains():
            row = absent(meter.name, meter.unavailable)
            rows.append(replace(row, needed=not _measured_elsewhere(meter.name, meters)))
        stepped = sum(d.missing is None and is_stepped(d) for d in meter.domains())
        for domain in meter.domains():
            found = probed.get(domain.name)
            row = _row(domain, found, seconds)
            if how_well and found is not None and row.readable and row.watts is not None:
                row = _with_uncertainty(row, found, stepped if is_stepped(domain) else 1)
            rows.append(row)
    return rows


def _measured_elsewhere(source: str, meters: Sequence[Source]) -> bool:
    """Whether another one measures what the source is for."""
    kind = {"powercap": "cpu", "perf": "cpu", "nvml": "gpu"}.get(source)
    return kind is not None and any(
        d.is_part and d.measured and d.missing is None and (d.kind == kind or is_in(d, kind))
        for meter in meters
        for d in meter.domains()
    )


def absent(source: str, reason: str) -> Row:
    """A source that shows nothing here."""
    return Row(source, None, False, False, False, "nothing", cure=reason)


def _row(domain: Domain, probed: ProbedDomain | None, seconds: float) -> Row:
    row = Row(
        source=domain.source,
        domain=domain.name,
        readable=domain.missing is None,
        measured=domain.measured,
        in_total=domain.in_total,
        covers=_covers(domain),
        cure=domain.missing,
    )
    if probed is None:
        return row
    row = replace(row, watts=probed.watts())
    if not probed.values:
        return replace(row, readable=False, cure=probed.reason or "it was not read")
    counter = domain.quantity == "energy"
    if counter and domain.measured and row.watts is None and not domain.remote:
        return _with_steps(replace(row, cure=_still(domain, seconds)), probed)
    return _with_steps(row, probed) if domain.measured else row


def _with_uncertainty(row: Row, probed: ProbedDomain, count: int) -> Row:
    """count: of the domains that are read one after the other around their steps."""
    from energyctl.meters.typical import typical_energy  # no other command takes the time

    domain, took = probed.paced(), probed.read_seconds()
    minute, ten = (
        typical_energy(domain, seconds, watts_now=row.watts, read_seconds=took, count=count)
        for seconds in (MINUTE, 10 * MINUTE)
    )
    return replace(
        row,
        round_seconds=count * took,
        uncertainty_1_min=minute.share,
        uncertainty_10_min=ten.share,
        typical_watts=None if ten.joules is None else ten.joules / (10 * MINUTE),
    )


def _still(domain: Domain, seconds: float) -> str:
    if not domain.in_total:
        return f"its counter did not move for {seconds:g} s"
    return (
        f"its counter did not move for {seconds:g} s; where it never does, every total is unknown "
        f'until it is left out: "leave_out": ["{domain.name}"] in the settings, or '
        f"meter --leave-out {domain.name}"
    )


def _with_steps(row: Row, probed: ProbedDomain) -> Row:
    update, look, steps = probed.update_seconds(), probed.look_seconds(), probed.steps()
    counter = probed.domain.quantity == "energy"
    return replace(
        row,
        update_seconds=update,
        at_most=update is not None and look is not None and update < 2 * look,
        step_joules=median(steps) if counter and steps else None,
        smallest_step_joules=min(steps) if counter and steps else None,
    )


def _covers(domain: Domain) -> str:
    if not domain.measured:
        return "all CPUs"
    part = domain.part or ""
    if part == "psys":
        return "platform"
    if part == "node":
        return "node"
    if "/" not in part and (domain.kind == "cpu" or part.startswith("package")):
        return "package"
    if domain.kind == "dram" or part.endswith("/dram"):
        return "memory"
    if part.startswith("socket/"):
        return "package" if domain.kind == "cpu" or part.count("/") == 1 else "package part"
    if part.startswith("module/"):
        return "module"
    if part.startswith("board/") and domain.kind == "other":
        return "board"
    if domain.kind == "gpu" or part.startswith("gpu/"):
        return "GPU"
    return "package part" if part.startswith("package-") else "see its source"
