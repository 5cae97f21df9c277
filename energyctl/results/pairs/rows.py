"""A pair as a row of the table `pairs`, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from energyctl.results.pairs.figure import Figure
from energyctl.results.pairs.figures import Interference
from energyctl.results.pairs.matching import Match
from energyctl.results.pairs.share_rows import domain_document, domain_row, kind_columns
from energyctl.results.pairs.shares import DomainShares
from energyctl.results.pairs.work import JobInterference
from energyctl.results.tables import Row
from energyctl.results.tables.pair_layout import band_of

FIGURES = tuple(one.name for one in fields(Interference) if one.name != "jobs")
"""Names of the figures of a pair."""


@dataclass(frozen=True)
class Pair:
    """A run beside a background and its partner alone, by their experiment ids.

    training: repository / model of the foreground. block: None where they are not of one. domains:
    whose the energy of each domain was, beside the background.
    """

    match: Match
    interference: Interference
    domains: Mapping[str, DomainShares] = field(default_factory=dict)

    @property
    def beside(self) -> str:
        return self.match.beside.experiment_id

    @property
    def alone(self) -> str:
        return self.match.alone.experiment_id

    @property
    def condition(self) -> str:
        return self.match.beside.condition

    @property
    def training(self) -> str:
        return self.match.beside.training

    @property
    def block(self) -> int | None:
        block = self.match.beside.block
        return block[1] if self.match.of_block and block is not None else None

    @property
    def measured(self) -> bool:
        """False where an energy is an estimate, in part or in all."""
        return self.match.beside.measured is not False and self.match.alone.measured is not False

    @property
    def kinds(self) -> dict[str, str | None]:
        """Of its domains: gpu, cpu, dram …"""
        return {one.name: one.kind for one in self.match.beside.parts}

    def row(self) -> Row:
        """Of the table `pairs`."""
        row: Row = {
            "beside": self.beside,
            "alone": self.alone,
            "training": self.training,
            "condition": self.condition,
            "block": self.block,
            "apart_seconds": self.match.apart_seconds,
            "energy_measured": self.measured,
            "background_unit": self.interference.background_work.unit,
        }
        reasons = []
        for name in FIGURES:
            figure: Figure = getattr(self.interference, name)
            row |= {name: figure.value, band_of(name): figure.uncertainty}
            if figure.missing is not None:
                reasons.append(f"{name}: {figure.missing}")
        shares, why = kind_columns(self.domains, self.kinds)
        return {**row, **shares, "missing": "; ".join([*reasons, *why]) or None}

    def share_rows(self) -> list[Row]:
        """Of the table `shares`."""
        which = {
            "beside": self.beside,
            "alone": self.alone,
            "training": self.training,
            "condition": self.condition,
            "block": self.block,
        }
        return [
            {**which, "domain": name, "kind": self.kinds.get(name), **domain_row(one)}
            for name, one in self.domains.items()
        ]

    def document(self) -> dict[str, Any]:
        """As ``attribute --json`` has it."""
        return {
            "beside": self.beside,
            "alone": self.alone,
            "training": self.training,
            "condition": self.condition,
            "block": self.block,
            "apart_seconds": self.match.apart_seconds,
            "measured": self.measured,
            "interference": {
                **{name: _json(name, getattr(self.interference, name)) for name in FIGURES},
                "jobs": [_job(one) for one in self.interference.jobs],
            },
            "domains": {name: domain_document(one) for name, one in self.domains.items()},
        }


def _json(name: str, figure: Figure) -> dict[str, Any]:
    if "work" in name:
        return {
            "amount": figure.value, "unit": figure.unit, "uncertainty": figure.uncertainty,
            "missing": figure.missing,
        }  # fmt: skip
    return {"value": figure.value, "uncertainty": figure.uncertainty, "missing": figure.missing}


def _job(job: JobInterference) -> dict[str, Any]:
    return {
        "job": job.job,
        "training": job.training,
        "slowdown": _json("slowdown", job.slowdown),
        "work": _json("work", job.work),
        "work_lost": _json("work_lost", job.lost),
        "alone_seconds": _json("alone_seconds", job.alone_seconds),
    }
