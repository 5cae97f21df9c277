"""Whose energy the domains of a pair used: as JSON, in the tables `pairs` and `shares`."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.results.pairs import PARTS, DomainShares, Pair
from written_results import with_wall, write_pair, write_shared_pair

AGREED = 2800.0, 2000.0
"""Joules of foreground and background: 14 and 10 s of kernels at 200 W."""


def pair_of(folder: Path) -> Pair:
    (pair,) = energyctl.load(folder).pairs
    return pair


def domain_of(folder: Path, name: str = "gpu-0") -> dict[str, Any]:
    document: dict[str, Any] = pair_of(folder).document()["domains"][name]
    return document


def test_a_domain_is_documented_to_the_letter(tmp_path: Path) -> None:
    """Idle 100 W, context 120 − 100 W, both for 25 s; kernels 14 and 10 s at 200 W. By work: alone
    the training's kernels took 3600 J, and those of as much work of the load 3375 J (180 W for
    18.75 s); of the 2175 J that sharing saved, each has half."""
    write_shared_pair(tmp_path, 1)
    found, near = domain_of(tmp_path), pytest.approx
    shares = pair_of(tmp_path).domains["gpu-0"]
    activity, work = shares.activity, shares.work
    assert found == {
        "total_joules": 7800.0,
        "total_uncertainty_joules": 3.0,
        "idle_joules": near(2500.0),
        "idle_uncertainty_joules": near(0.05 * 25),
        "context_joules": near(500.0),
        "context_uncertainty_joules": near(0.05 * 25),
        "foreground_joules": near(2800.0),
        "foreground_uncertainty_joules": activity.foreground.uncertainty,
        "background_joules": near(2000.0),
        "background_uncertainty_joules": activity.background.uncertainty,
        "foreground_context_joules": near(250.0),
        "foreground_context_uncertainty_joules": near(12.5 * 0.05),
        "background_context_joules": near(250.0),
        "background_context_uncertainty_joules": near(12.5 * 0.05),
        "marginal_joules": near(7800.0 - 300 * 25),
        "marginal_uncertainty_joules": near(3 + 0.1 * 25),
        "marginal_of_equal_work_joules": near(7800.0 - 300 * 18.75),
        "marginal_of_equal_work_uncertainty_joules": shares.equal_work_marginal.uncertainty,
        "estimators": {
            "activity": {
                "foreground_joules": near(2800.0),
                "foreground_uncertainty_joules": activity.foreground.uncertainty,
                "background_joules": near(2000.0),
                "background_uncertainty_joules": activity.background.uncertainty,
            },
            "work": {
                "foreground_joules": near((3600 + 4800 - 3375) / 2),
                "foreground_uncertainty_joules": work.foreground.uncertainty,
                "background_joules": near((3375 + 4800 - 3600) / 2),
                "background_uncertainty_joules": work.background.uncertainty,
            },
            "missing": {},
        },
        "closure": near(0.0, abs=1e-9),
        "verdict": "agreed",
        "reasons": [],
        "jobs": {"back_large": near(2000.0)},
        "differential": {"share": 0.15, "of": "assumed"},
        "missing": {},
    }
    # The allowance for what sharing changes in the one alone: 15 % of x y / (x + y).
    assert found["foreground_uncertainty_joules"] > 0.15 * 2800 * 2000 / 4800


def test_the_parts_add_up_to_the_total(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, joules=8111.0, busy=(13.3, 9.1))
    found = domain_of(tmp_path)
    assert found["verdict"] == "agreed"
    parts = sum(found[f"{part}_joules"] for part in PARTS)
    assert parts == pytest.approx(found["total_joules"], rel=1e-9)
    contexts = found["foreground_context_joules"] + found["background_context_joules"]
    assert contexts == pytest.approx(found["context_joules"])


def test_jobs_have_parts_of_what_is_the_backgrounds(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, jobs={"back_large": 7.5, "back_small": 2.5})
    assert domain_of(tmp_path)["jobs"] == {
        "back_large": pytest.approx(1500.0),
        "back_small": pytest.approx(500.0),
    }


def test_a_test_with_twins_is_named(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, twins={"differential": 0.02, "date": 1.8e9})
    assert domain_of(tmp_path)["differential"] == {"share": 0.02, "of": "twins of 2027-01-15"}


def test_estimators_that_disagree_are_both_given(tmp_path: Path) -> None:
    """What the background did beside takes 3.75 s alone, but it kept the GPU busy for 10 s."""
    write_shared_pair(tmp_path, 1, rates=(2.0, 0.3))
    found = domain_of(tmp_path)
    assert found["verdict"] == "disagree"
    assert found["reasons"] == ["the bands of activity and work do not meet"]
    sides = ("foreground_joules", "background_joules")
    assert [found[side] for side in sides] == [None, None]
    assert all(found["missing"][side] == found["reasons"][0] for side in sides)
    by_activity, by_work = (found["estimators"][name] for name in ("activity", "work"))
    assert [by_activity[side] for side in sides] == [pytest.approx(one) for one in AGREED]
    assert [by_work[side] for side in sides] == [pytest.approx(3862.5), pytest.approx(937.5)]
    assert found["estimators"]["missing"] == {}
    assert found["jobs"] == {}


def test_what_is_refused_is_null_with_its_reason(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, joules=10_000.0)
    found = domain_of(tmp_path)
    why = "the references explain 69 % of what was drawn above idle and context"
    assert (found["verdict"], found["reasons"]) == ("refused", [why])
    assert found["closure"] == pytest.approx((7000 - 4800) / 7000)
    assert found["idle_joules"] == pytest.approx(2500.0)
    assert found["estimators"] == {
        "activity": None, "work": None, "missing": {"activity": why, "work": why},
    }  # fmt: skip
    for name in ("foreground", "background", "foreground_context", "background_context"):
        assert found[f"{name}_joules"] is None
        assert found[f"{name}_uncertainty_joules"] is None
        assert found["missing"][f"{name}_joules"] == why
    assert found["marginal_joules"] == pytest.approx(2500.0)


def test_one_estimator_may_stand_alone(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1)
    path = next(tmp_path.glob("*_parallel.json"))
    beside = json.loads(path.read_text())
    del beside["background_info"]["jobs"][0]["work"]
    path.write_text(json.dumps(beside))
    found = domain_of(tmp_path)
    assert found["verdict"] == "agreed"
    assert found["foreground_joules"] == pytest.approx(2800.0)
    assert found["estimators"]["work"] is None
    assert "back_large" in found["estimators"]["missing"]["work"]


def test_results_without_references_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, 1)
    found = domain_of(tmp_path)
    assert found["verdict"] == "refused"
    assert found["reasons"] == [
        'a reference is missing: there is no phase "context held" ("references": true)'
    ]
    assert found["missing"]["foreground_joules"] == found["reasons"][0]


# -- tables --------------------------------------------------------------------------------------


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    out = folder.parent / f"{table}.csv"
    assert cli.run(["export", str(folder), "--table", table, "--out", str(out)]) == 0
    with open(out, newline="") as file:
        return list(csv.DictReader(file))


def with_domain(folder: Path, name: str, kind: str, **changes: Any) -> None:
    """Every result of the folder gets another domain, like `gpu-0`."""
    for path in folder.glob("*.json"):
        result = json.loads(path.read_text())
        domain = {**result["energy"]["domains"][0], "name": name, "kind": kind, **changes}
        result["energy"]["domains"].append(domain)
        for span in result["activity"]:
            span["domains"][name] = copy.deepcopy(span["domains"]["gpu-0"])
        for phase in result["phases"]:
            for figures in ("joules", "uncertainty_joules"):
                if "gpu-0" in phase[figures]:
                    phase[figures][name] = phase[figures]["gpu-0"]
        path.write_text(json.dumps(result))


def test_the_table_of_pairs_has_sums_over_the_gpus(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write_shared_pair(folder, 1)
    with_domain(folder, "gpu-1", "gpu")
    (row,) = rows(folder, "pairs")
    assert row["gpu_verdict"] == "agreed"
    figures = [float(row[f"gpu_{part}_joules"]) for part in PARTS]
    assert figures == pytest.approx([5000.0, 1000.0, 5600.0, 4000.0])
    band = pair_of(folder).domains["gpu-0"].foreground.uncertainty
    assert float(row["gpu_foreground_uncertainty_joules"]) == pytest.approx(2 * (band or 0))
    assert (row["cpu_verdict"], row["cpu_idle_joules"], row["missing"]) == ("", "", "")


def test_sums_are_null_where_a_domain_of_the_kind_is_not_agreed(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write_shared_pair(folder, 1)
    with_domain(folder, "gpu-1", "gpu", measured=False)
    (row,) = rows(folder, "pairs")
    assert row["gpu_verdict"] == "refused"
    assert {row[f"gpu_{part}_joules"] for part in PARTS} == {""}
    assert row["missing"] == "shares of gpu: gpu-1: its energy is an estimate"


def test_packages_have_columns_of_their_own(tmp_path: Path) -> None:
    """A CPU has no contexts: what the kernels' held power is goes to both."""
    folder = tmp_path / "results"
    write_shared_pair(folder, 1, joules=7800.0)
    with_domain(folder, "package-0", "cpu")
    (row,) = rows(folder, "pairs")
    assert (row["gpu_verdict"], row["cpu_verdict"]) == ("agreed", "agreed")
    figures = [float(row[f"cpu_{part}_joules"]) for part in PARTS]
    assert figures[:2] == [pytest.approx(2500.0), 0.0]
    assert sum(figures) == pytest.approx(7800.0)


def test_the_table_of_shares_has_a_row_for_each_domain(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write_shared_pair(folder, 1)
    with_domain(folder, "dram-0", "dram")
    first, second = rows(folder, "shares")
    assert (first["domain"], first["kind"], first["block"]) == ("gpu-0", "gpu", "1")
    assert (first["verdict"], first["reasons"], first["missing"]) == ("agreed", "", "")
    names = ("total_joules", *(f"{part}_joules" for part in PARTS))
    assert [float(first[name]) for name in names] == pytest.approx([7800.0, 2500.0, 500.0, *AGREED])
    assert float(first["work_foreground_joules"]) == pytest.approx(2512.5)
    assert float(first["marginal_of_equal_work_joules"]) == pytest.approx(2175.0)
    assert (second["domain"], second["verdict"]) == ("dram-0", "refused")
    assert second["reasons"] == "no source tells the memory traffic of each process"
    assert (second["foreground_joules"], second["activity_foreground_joules"]) == ("", "")
    frame = energyctl.load(folder).table("shares")
    assert frame["foreground_joules"].to_list() == [pytest.approx(2800.0), None]


# -- in Python -----------------------------------------------------------------------------------


def test_pairs_tell_the_shares_of_their_domains(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1)
    shares = pair_of(tmp_path).domains["gpu-0"]
    assert isinstance(shares, DomainShares)
    assert shares.verdict == "agreed"
    assert shares.foreground.value == pytest.approx(2800.0)
    assert shares.marginal.value == pytest.approx(300.0)


# -- odd results ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mhz", [1e14, -1e14, 0, 1e-300])
def test_a_clock_that_is_none_is_not_known(tmp_path: Path, mhz: float) -> None:
    _, beside = write_shared_pair(tmp_path, 1)
    beside["activity"][2]["domains"]["gpu-0"]["mhz"] = mhz
    (tmp_path / f"{beside['experiment_id']}.json").write_text(json.dumps(beside))
    found = domain_of(tmp_path)
    assert found["estimators"]["missing"] == {
        "activity": "its clocks, beside or alone, are not known"
    }
    assert found["foreground_joules"] == found["estimators"]["work"]["foreground_joules"]


def test_a_date_that_is_none_leaves_the_result_out(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, twins={"differential": 0.02, "date": 1e14})
    runs = energyctl.load(tmp_path)
    assert runs.pairs == ()
    assert all("a time in Unix seconds" in line for line in runs.problems)


@pytest.mark.parametrize("differential", [-1.0, -1e14])
def test_a_differential_below_0_is_not_taken(tmp_path: Path, differential: float) -> None:
    write_shared_pair(tmp_path, 1, twins={"differential": differential, "date": 1.8e9})
    assert domain_of(tmp_path)["differential"] == {"share": 0.15, "of": "assumed"}


def test_a_band_below_0_is_not_known(tmp_path: Path) -> None:
    _, beside = write_shared_pair(tmp_path, 1)
    beside["energy"]["domains"][0]["uncertainty_joules"] = -3.0
    (tmp_path / f"{beside['experiment_id']}.json").write_text(json.dumps(beside))
    assert pair_of(tmp_path).domains["gpu-0"].total.uncertainty is None


def test_a_gpu_beside_a_total_of_the_wall_has_its_shares_all_the_same(tmp_path: Path) -> None:
    """The pair's own figures are those of the total, whose energy is nobody's."""
    under_gpus, under_wall = tmp_path / "gpus", tmp_path / "wall"
    for folder in (under_gpus, under_wall):
        folder.mkdir()
        write_shared_pair(folder, 1)
    for file in under_wall.glob("*.json"):
        file.write_text(json.dumps(with_wall(json.loads(file.read_text()), 1.3)))
    beside, wall = pair_of(under_gpus), pair_of(under_wall)
    assert wall.domains["gpu-0"] == beside.domains["gpu-0"]
    assert wall.kinds == {"gpu-0": "gpu", "wall": "other"}
    assert wall.domains["wall"].reasons == ("it is neither a GPU nor a CPU package",)
    row = wall.row()
    assert row["gpu_verdict"] == "agreed"
    assert (row["gpu_foreground_joules"], row["gpu_background_joules"]) == pytest.approx(AGREED)
    assert row["energy_beside_joules"] == pytest.approx(1.3 * 7800)
    assert row["energy_ratio"] == pytest.approx(beside.row()["energy_ratio"])


def test_a_domain_beside_the_total_that_told_nothing_has_no_shares(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1)
    for file in tmp_path.glob("*.json"):
        document = with_wall(json.loads(file.read_text()), 1.3)
        document["energy"]["domains"][0] |= {"joules": None, "missing": "it fell off the bus"}
        file.write_text(json.dumps(document))
    assert list(pair_of(tmp_path).domains) == ["wall"]
