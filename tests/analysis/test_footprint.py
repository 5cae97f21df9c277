"""kWh, CO2e and cost by the user's factors."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import energyctl
from bench import Bench
from energyctl import cli
from energyctl.analysis.footprint import Footprint, brief, footprints, sentence
from energyctl.analysis.report import chinese
from energyctl.config import settings
from energyctl.results.tables.footprint import StatedFactors
from written_results import write_runs

KWH = 3.6e6


def stated(
    grams: float | None = None, price: float | None = None, currency: str | None = None
) -> dict[str, Any]:
    """As a result has it, with sources."""
    factors: dict[str, Any] = {}
    if grams is not None:
        factors["co2e_grams_per_kwh"] = {"value": grams, "source": "grid mix, 2025"}
    if price is not None:
        factors["price_per_kwh"] = {"value": price, "currency": currency, "source": "contract"}
    return {"footprint_factors": factors}


def phases(*joules: dict[str, float | None], band: float | None = None) -> list[dict[str, Any]]:
    return [
        {
            "name": "idle", "start": 10.0 * n, "end": 10.0 * n + 10, "joules": one, "watts": {},
            "uncertainty_joules": {} if band is None else dict.fromkeys(one, band),
        }
        for n, one in enumerate(joules)
    ]  # fmt: skip


def test_a_line_to_be_quoted() -> None:
    line = sentence(Footprint(StatedFactors(380.0, None, 0.3, "EUR"), 1.24 * KWH, None, 2))
    assert line.startswith(
        "These runs used 1.24 kWh of measured energy: 471 g CO2e at 380 g/kWh, "
        "0.37 EUR at 0.30 EUR per kWh, as stated by the user. In it: all phases that were metered, "
        "idle and cool-down"
    )
    assert "power supplies" in line
    assert "\n" not in line


def test_the_band_is_that_of_the_energy_and_sources_are_named() -> None:
    factors = StatedFactors(380.0, "grid mix, 2025", 0.3, "EUR", "contract")
    one = Footprint(factors, 1.24 * KWH, 0.0124 * KWH, 2)
    assert sentence(one).startswith(
        "These runs used 1.240 ± 0.012 kWh of measured energy: 471.2 ± 4.7 g CO2e at 380 g/kWh, "
        "0.3720 ± 0.0037 EUR at 0.30 EUR per kWh, as stated by the user (grid mix, 2025; contract)."
        " The ± is of the energy alone; factors are taken as stated. In it: "
    )
    assert brief(one) == (
        "all metered phases took 1.240 ± 0.012 kWh: 471.2 ± 4.7 g CO2e at 380 g/kWh, "
        "0.3720 ± 0.0037 EUR at 0.30 EUR per kWh, as stated by the user (grid mix, 2025; contract)"
    )
    assert chinese.footprint(one).startswith(
        "这些运行共用 1.240 ± 0.012 kWh 测得的能量，按每千瓦时 380 克计为 471.2 ± 4.7 g CO2e，"
        "按每千瓦时 0.30 EUR 计为 0.3720 ± 0.0037 EUR（系数由用户给出：grid mix, 2025；contract）。"
    )


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((None, 0.3), "energy: 0.60 at 0.30 per kWh, as stated by the user. In it"),
        ((1000.0, None), "energy: 2 kg CO2e at 1000 g/kWh, as stated by the user. In it"),
        ((None, None), "energy. In it"),
        ((None, 0.001), "energy: 0.002 at 0.001 per kWh, as stated by the user. In it"),
    ],
)
def test_only_the_factors_that_are_stated(
    factors: tuple[float | None, float | None], said: str
) -> None:
    one = Footprint(StatedFactors(factors[0], None, factors[1]), 2 * KWH, None, 1)
    assert f"used 2 kWh of measured {said}" in sentence(one)


def test_an_estimate_and_a_gap_are_said() -> None:
    line = sentence(Footprint(StatedFactors(), KWH, None, 3, measured=False, lacking=2))
    assert "1 kWh of energy, a part of it estimated." in line
    assert line.endswith("; of 2 runs a part is not known and not in it.")


def test_all_phases_of_what_is_in_the_total_count_once(tmp_path: Path) -> None:
    beside_total = {"gpu-0": 300.0, "core-0": 50.0}
    both = phases(beside_total, beside_total, band=3.0)
    write_runs(tmp_path / "a", "default", [100.0, 100.0], phases=both)
    write_runs(tmp_path / "b", "default", [100.0], phases=phases({"gpu-0": 300.0}, {"gpu-0": None}))
    write_runs(tmp_path / "c", "default", [100.0])  # as imported: the training alone
    found = {
        name: footprints(energyctl.load(tmp_path / name), grams_per_kwh=1.0)[0] for name in "abc"
    }
    joules = {name: (one.joules, one.uncertainty_joules) for name, one in found.items()}
    assert joules == {"a": (1200.0, 12.0), "b": (300.0, None), "c": (100.0, 1.0)}
    assert {name: one.lacking for name, one in found.items()} == {"a": 0, "b": 1, "c": 0}
    assert energyctl.load(tmp_path / "b")[0].footprint.kwh is None
    assert energyctl.load(tmp_path / "a")[0].footprint.kwh == 600.0 / KWH


def test_an_estimated_run_makes_the_sum_an_estimate(tmp_path: Path) -> None:
    write_runs(tmp_path / "a", "default", [100.0, 100.0])
    path = next((tmp_path / "a").glob("*.json"))
    result = json.loads(path.read_text())
    result["energy"]["measured"] = False
    path.write_text(json.dumps(result))
    assert not footprints(energyctl.load(tmp_path / "a"), grams_per_kwh=1.0)[0].measured


def test_campaigns_of_other_factors_are_not_added_up(tmp_path: Path) -> None:
    write_runs(tmp_path, "default", [KWH, KWH], campaign="paris", **stated(50.0, 0.2, "EUR"))
    write_runs(tmp_path, "default", [KWH], campaign="delhi", **stated(700.0, 8.0, "INR"))
    write_runs(tmp_path, "default", [KWH], campaign="none")
    runs = energyctl.load(tmp_path)
    lines = [sentence(one) for one in footprints(runs)]
    assert lines[0].startswith(
        "2 runs of paris used 2.00000000 ± 0.00000056 kWh of measured energy:"
    )
    assert ": 100.000000 ± 0.000028 g CO2e at 50 g/kWh, 0.4" in lines[0]
    assert "INR" not in lines[0]
    assert lines[1].startswith("1 run of delhi used")
    assert lines[2].startswith(
        "1 run of none used 1.00000000 ± 0.00000028 kWh of measured energy. "
    )
    (one,) = footprints(runs, 380.0, (0.3, "EUR"))  # what is stated now wins
    assert sentence(one).startswith("These runs used 4.0000")
    assert "grid mix" not in sentence(one)
    kept = footprints(runs, 380.0)
    assert [one.factors.currency for one in kept] == ["EUR", "INR", None]
    assert {one.factors.co2e_grams_per_kwh for one in kept} == {380.0}


def test_the_report_closes_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / "a", "default", [KWH, KWH])
    report = ["-C", str(tmp_path), "report", str(tmp_path / "a")]
    assert cli.run([*report, "--co2", "380", "--price", "0.30EUR"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "kWh of measured energy: 760.00000 ± 0.00021 g CO2e at 380 g/kWh, 0.60" in last
    assert cli.run(report) == 0
    assert "kWh" not in capsys.readouterr().out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str) -> None:
    write_runs(tmp_path / "a", "default", [KWH], **stated(380.0))
    page = tmp_path / "page.html"
    report = ["-C", str(tmp_path), "report", str(tmp_path / "a"), "--lang", language]
    assert cli.run([*report, "--html", str(page)]) == 0
    (one,) = footprints(energyctl.load(tmp_path / "a"))
    line = sentence(one) if language == "en" else chinese.footprint(one)
    assert f'<p class="soft footprint">{line}</p>' in page.read_text()
    assert sentence(one) in capsys.readouterr().out


def test_settings_reach_the_end_the_result_tables_and_python(bench: Bench) -> None:
    training = {"repo": "front", "model": "small", "mode": "default"}
    name = bench.settings(
        experiments=[training],
        co2e_grams_per_kwh={"value": 380, "source": "grid mix, 2025"},
        price_per_kwh=0.30,
    )
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("all metered phases")]
    assert "kWh, a part of it estimated: " in line
    assert line.endswith(" per kWh, as stated by the user (grid mix, 2025)")
    (result,) = bench.results()
    assert result["footprint_factors"] == {
        "co2e_grams_per_kwh": {"value": 380.0, "source": "grid mix, 2025"},
        "price_per_kwh": {"value": 0.3, "currency": None, "source": None},
    }
    (run,) = energyctl.load(bench.root / "results")
    joules = sum(phase["joules"]["cpu"] for phase in result["phases"])
    assert run.footprint.co2e_grams == pytest.approx(380 * joules / KWH)
    assert run.footprint.cost == pytest.approx(0.3 * joules / KWH)
    table = bench.root / "runs.csv"
    assert bench.look("export", "--table", "runs", "--out", str(table)).returncode == 0
    with table.open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["co2e_grams"]) == run.footprint.co2e_grams
    assert (row["co2e_source"], row["currency"]) == ("grid mix, 2025", "")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"co2e_grams_per_kwh": -1}, "co2e_grams_per_kwh: "),
        ({"co2e_grams_per_kwh": "380"}, "co2e_grams_per_kwh: "),
        ({"co2e_grams_per_kwh": {"source": "x"}}, "co2e_grams_per_kwh.value: "),
        ({"price_per_kwh": {"value": 1, "currenci": "EUR"}}, "price_per_kwh.currenci: "),
        ({"price_per_kwh": {"value": 1, "currency": "Mark of the GDR"}}, "price_per_kwh.currency"),
        ({"co2_grams_per_kwh": 380}, "co2_grams_per_kwh: "),
    ],
)
def test_a_factor_that_is_none(fields: dict[str, Any], where: str) -> None:
    text = json.dumps({"experiment_name": "x", "experiments": [], **fields})
    problems = settings.check(settings.parse(text, "x.json")).problems
    assert [str(one).removeprefix("line 1: ").startswith(where) for one in problems] == [True]
    assert problems[0].severity == "error"


@pytest.mark.parametrize("price", ["0,3", "-1", "cheap", "nan", "1 2"])
def test_a_price_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], price: str
) -> None:
    assert cli.run(["-C", str(tmp_path), "report", f"--price={price}"]) == 2
    assert "is no price of a kWh; write it as 0.30 or 0.30EUR" in capsys.readouterr().err
