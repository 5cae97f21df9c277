"""What the total of a run is of, and which totals are not of the same."""

from __future__ import annotations

from typing import Any

import pytest

from energyctl.results.tables import Part
from energyctl.results.tables.totals import by_itself, total_of, unlike


def domain(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "in_total": True, "measured": True, **more}


PARTS = [domain("package-0", "cpu"), domain("dram-0", "dram"), domain("gpu-0", "gpu")]
WALL = domain("wall", "other")


@pytest.mark.parametrize(
    ("domains", "told", "alone"),
    [
        (PARTS, "package-0, dram-0, gpu-0", False),
        ([domain("cpu", "cpu", measured=False), PARTS[2]], "cpu (estimated), gpu-0", False),
        ([{**one, "in_total": False} for one in PARTS] + [WALL], "wall (by itself)", True),
        ([*PARTS, {**WALL, "in_total": False}], "package-0, dram-0, gpu-0", False),
        ([domain("module", "other"), PARTS[2]], "module, gpu-0", False),
        ([PARTS[2]], "gpu-0", False),
        ([], None, None),
    ],
)
def test_a_total_is_of_its_domains(
    domains: list[dict[str, Any]], told: str | None, alone: bool | None
) -> None:
    assert total_of(Part({"domains": domains})) == told
    assert by_itself({"total_of": told}) == alone


def row(total: str | None, joules: float | None = 1.0) -> dict[str, Any]:
    return {"total_of": total, "total_joules": joules}


def test_a_meter_of_the_machine_is_not_like_its_parts() -> None:
    rows = [row("gpu-0"), row("wall (by itself)"), row("gpu-0")]
    said = "not metered alike: the total is gpu-0 in 2 runs, wall (by itself) in 1 run"
    assert unlike(rows) == said


@pytest.mark.parametrize(
    "rows",
    [
        [row("package-0, gpu-0"), row("package-0, package-1, gpu-0"), row("cpu (estimated)")],
        [row("wall (by itself)"), row("bmc (by itself)")],
        [row("wall (by itself)"), row(None)],
        [row("gpu-0"), row("wall (by itself)", joules=None)],
        [],
    ],
)
def test_other_totals_are_taken_together(rows: list[dict[str, Any]]) -> None:
    assert unlike(rows) is None
