"""kWh, CO2e and cost by the user's factors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.footprint import footprint_line, used
from written_results import write_runs

KWH = 3.6e6


def phases(*joules: dict[str, float | None]) -> list[dict[str, Any]]:
    return [
        {"name": "idle", "start": 10.0 * n, "end": 10.0 * n + 10, "joules": one, "watts": {}}
        for n, one in enumerate(joules)
    ]


def test_a_line_to_be_quoted() -> None:
    line = footprint_line(1.24 * KWH, True, 380.0, 0.3, "EUR")
    assert line.startswith(
        "These runs used 1.24 kWh of measured energy: 471 g CO2e at 380 g/kWh, "
        "0.37 EUR at 0.30 EUR per kWh. In it: all phases that were metered, idle and cool-down"
    )
    assert "power supplies" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((None, 0.3), "energy: 0.60 at 0.30 per kWh. In it"),
        ((1000.0, None), "energy: 2 kg CO2e at 1000 g/kWh. In it"),
        ((None, None), "energy. In it"),
        ((None, 0.001), "energy: 0.002 at 0.001 per kWh. In it"),
    ],
)
def test_only_the_factors_that_are_stated(
    factors: tuple[float | None, float | None], said: str
) -> None:
    assert f"used 2 kWh of measured {said}" in footprint_line(2 * KWH, True, *factors)


def test_an_estimate_and_a_gap_are_said() -> None:
    line = footprint_line(KWH, False, None, None, lacking=2)
    assert "1 kWh of energy, a part of it estimated." in line
    assert line.endswith("; of 2 runs a part is not known and not in it.")


def test_all_phases_of_what_is_in_the_total_count_once(tmp_path: Path) -> None:
    beside_total = {"gpu-0": 300.0, "core-0": 50.0}
    write_runs(tmp_path / "a", "default", [100.0, 100.0], phases=phases(beside_total, beside_total))
    write_runs(tmp_path / "b", "default", [100.0], phases=phases({"gpu-0": 300.0}, {"gpu-0": None}))
    write_runs(tmp_path / "c", "default", [100.0])  # as imported: the training alone
    found = used(energyctl.load(tmp_path / "a"))
    assert (found.joules, found.measured, found.lacking) == (1200.0, True, 0)
    found = used(energyctl.load(tmp_path / "b"))
    assert (found.joules, found.lacking) == (300.0, 1)
    assert used(energyctl.load(tmp_path / "c")).joules == 100.0


def test_an_estimated_run_makes_the_sum_an_estimate(tmp_path: Path) -> None:
    write_runs(tmp_path / "a", "default", [100.0, 100.0])
    path = next((tmp_path / "a").glob("*.json"))
    result = json.loads(path.read_text())
    result["energy"]["measured"] = False
    path.write_text(json.dumps(result))
    assert not used(energyctl.load(tmp_path / "a")).measured


def test_the_report_closes_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / "a", "default", [KWH, KWH])
    report = ["-C", str(tmp_path), "report", str(tmp_path / "a")]
    assert cli.run([*report, "--co2", "380", "--price", "0.30EUR"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(
        "These runs used 2 kWh of measured energy: 760 g CO2e at 380 g/kWh, 0.60 EUR at 0.30 EUR"
    )
    assert cli.run(report) == 0
    assert "kWh" not in capsys.readouterr().out


@pytest.mark.parametrize("price", ["0,3", "-1", "cheap", "nan", "1 2"])
def test_a_price_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], price: str
) -> None:
    assert cli.run(["-C", str(tmp_path), "report", f"--price={price}"]) == 2
    assert "is no price of a kWh; write it as 0.30 or 0.30EUR" in capsys.readouterr().err
