"""What a page says of all runs together: counts, energy, warnings, machines. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from energyctl.results.tables import total
from energyctl.results.tables.totals import unlike

if TYPE_CHECKING:
    from energyctl.results.api import Run

UNKNOWN = "not known"
NUMBER = re.compile(r"[-+\N{MINUS SIGN}]?\d[\d.,]*(?:e[-+]?\d+)?(?: [kMGmµ]?(?=[JWs]\b))?", re.I)
"""With its sign and power of ten, and the prefix of its unit: -1.2e-05, 3, 1.2 k of kJ."""

MOST_RUNS = 6
"""So many runs are named with a warning."""

FACTS = (
    "hostname", "node", "os", "kernel", "cpu", "physical_cores", "logical_cpus", "memory_bytes",
    "gpus", "governors", "energyctl", "python", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class WarningGroup:
    """A warning, once for all runs that have it but for its numbers: text is that of the first.

    same: whether all of them have that very text.
    """

    text: str
    runs: int
    named: tuple[str, ...]
    same: bool


@dataclass(frozen=True)
class Fact:
    """A fact of the environment: its values with how many runs have each, the commonest first."""

    name: str
    values: tuple[tuple[str, int], ...]

    @property
    def known(self) -> bool:
        """Whether any run has it."""
        return any(text != UNKNOWN for text, _ in self.values)


@dataclass(frozen=True)
class Glance:
    """joules: of the runs whose energy is known, None also where their totals are not of the same;
    known: how many these are.

    measured: false where a part of it is an estimate. seconds: metered time of the trainings.
    """

    campaigns: tuple[str, ...]
    runs: int
    statuses: Mapping[str, int]
    joules: float | None
    uncertainty_joules: float | None
    known: int
    measured: bool
    imported: int
    seconds: float | None
    warnings: tuple[WarningGroup, ...]
    errors: tuple[WarningGroup, ...]
    facts: tuple[Fact, ...]


def glance(runs: Sequence[Run]) -> Glance:
    """All runs at a glance."""
    energies = [run.energy for run in runs if run.energy and run.energy.total_joules is not None]
    apart = unlike(run.row for run in runs)
    return Glance(
        campaigns=tuple(dict.fromkeys(run.campaign for run in runs if run.campaign)),
        runs=len(runs),
        statuses=Counter(run.status for run in runs),
        joules=None if apart else total([energy.total_joules for energy in energies]),
        uncertainty_joules=total([energy.uncertainty_joules for energy in energies]),
        known=len(energies),
        measured=all(energy.measured for energy in energies),
        imported=sum(bool(run.row.get("imported")) for run in runs),
        seconds=total([energy.seconds for energy in energies]),
        warnings=grouped([(run.experiment_id, line) for run in runs for line in run.warnings]),
        errors=grouped(
            [(run.experiment_id, str(run.row["error"])) for run in runs if run.row.get("error")]
        ),
        facts=tuple(_fact(name, runs) for name in FACTS),
    )


def kind_of(text: str) -> str:
    """The same for texts that differ in numbers, or behind their first colon."""
    return NUMBER.sub("#", text.partition(":")[0])


def grouped(lines: Sequence[tuple[str, str]]) -> tuple[WarningGroup, ...]:
    """(run, text) → texts that differ in numbers, or behind their first colon, count as one."""
    together: dict[str, list[tuple[str, str]]] = {}
    for run, text in lines:
        together.setdefault(kind_of(text), []).append((run, text))
    groups = [_group(*zip(*members, strict=True)) for members in together.values()]
    return tuple(sorted(groups, key=lambda one: -one.runs))


def _group(runs: Sequence[str], texts: Sequence[str]) -> WarningGroup:
    named = tuple(dict.fromkeys(runs))
    return WarningGroup(texts[0], len(named), named[:MOST_RUNS], len(set(texts)) == 1)


def _fact(name: str, runs: Sequence[Run]) -> Fact:
    counts = Counter(fact_words(run.environment.get(name)) for run in runs)
    return Fact(name, tuple(counts.most_common(8)))


def fact_words(value: Any) -> str:
    """A fact in words; "not known" for null."""
    if value is None:
        return UNKNOWN
    if isinstance(value, list):
        return "; ".join(
            fact_words(one.get("name") if isinstance(one, dict) else one) for one in value
        )
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
