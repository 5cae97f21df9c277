"""What the meters can tell on this machine: for `energyctl doctor` and for `require`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from energyctl.energy import Domain, Energy
from energyctl.meters.base import GpuProcess, NotReported, Source
from energyctl.meters.probe import ProbedDomain, probe_sources

# Several moves of a GPU's counter, the slowest there is.
SURVEY_SECONDS = 1.0


@dataclass(frozen=True)
class Row:
    """One domain, or one source without any.

    As measured now: update_seconds: how often it moves, where at_most is set not less often than
    that (it could not be looked at more closely); step_joules and smallest_step_joules: by how
    much a counter moves usually and at least; watts: power. None: unknown.
    cure: why it cannot be read, or not well, and what to do. needed: False for a source that was
    left closed, because another one measures what it would.
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


def why_null(energy: Energy, meters: Sequence[Source]) -> dict[str, str]:
    """The reason for each figure that is null in the "energy" object of a result."""
    kinds = {"cpu_package_joules": "cpu", "cpu_dram_joules": "dram", "gpu_joules": "gpu"}
    reasons = {}
    for key, kind in kinds.items():
        if getattr(energy, key) is None:
            lines = missing_kinds(meters, [kind])
            broken = [d.missing for d in energy.domains if d.domain.kind == kind and d.missing]
            reasons[key] = (lines or broken or ["a part of it is unknown"])[0]
    return reasons


def _why_none(meters: Sequence[Source], kind: str) -> str:
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


def describe(meters: Sequence[Source], *, seconds: float = SURVEY_SECONDS) -> list[Row]:
    """A row per domain, watched for `seconds`, and one per absent source."""
    probed = probe_sources(meters, seconds)
    rows = []
    for meter in meters:
        if meter.unavailable and not meter.domains():
            rows.append(absent(meter.name, meter.unavailable))
        rows += [_row(domain, probed.get(domain.name), seconds) for domain in meter.domains()]
    return rows


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
    if counter and domain.measured and row.watts is None:
        row = replace(row, cure=f"its counter did not move for {seconds:g} s")
    return _with_steps(row, probed) if domain.measured else row


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
    if "/" not in part and (domain.kind == "cpu" or part.startswith("package-")):
        return "package"
    if domain.kind == "dram" or part.endswith("/dram"):
        return "memory"
    if domain.kind == "gpu" or part.startswith("gpu/"):
        return "GPU"
    return "package part" if part.startswith("package-") else "see its source"
