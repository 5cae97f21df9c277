"""Factors of the machine compared: power limits, clocks and governors, against a known truth."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis import comparing
from energyctl.analysis.compare import Study, document
from energyctl.analysis.compare.factors import turn_of
from energyctl.errors import SettingsError
from set_machines import LIMITS, WORSE, write_levels

LIMIT = "gpu_power_limit_watts"
CONDITIONS = (("alone", 1.0), ("loaded", 1.5))


def study(folder: Path, by: str = LIMIT, **more: Any) -> Study:
    return comparing.study_of([run.row for run in energyctl.load(folder)], by, **more)


def below(found: Study) -> list[str]:
    return [line for _, lines in found.sentences() for line in lines]


def test_each_limit_is_compared_with_the_highest_downwards(tmp_path: Path) -> None:
    found = study(write_levels(tmp_path, WORSE))
    main = found.of_main()
    assert [(one.a.name, one.b.name) for one in main] == [
        ("700 W", "500 W"), ("700 W", "300 W"), ("700 W", "200 W"),
    ]  # fmt: skip
    for one, watts in zip(main, (500.0, 300.0, 200.0), strict=True):
        assert one.sample.design == "blocks"
        truth = math.log(WORSE[watts][0] / WORSE[700.0][0])
        assert one.ratio is not None
        low, high = one.simultaneous
        assert low is not None
        assert high is not None
        assert low < truth < high
        assert one.verdict == "differs"
    assert below(found) == [line for line in below(found) if line.startswith("order: ")]


def test_a_least_energy_at_a_middle_limit_is_no_power_law(tmp_path: Path) -> None:
    found = study(write_levels(tmp_path, LIMITS))
    (trend,) = (one for one in found.factors if one.measure == "total_joules")
    assert trend.turn == ("500 W", True)
    text = [text for text, _ in found.sentences()][-1]
    assert "is least at a GPU power limit of 500 W, and more at both ends" in text
    (data,) = (one for one in document(found)["factors"] if one["measure"] == "total_joules")
    assert data["turn"] == {"level": "500 W", "least": True}
    (time,) = (one for one in found.factors if one.measure == "duration_seconds")
    assert time.turn is None
    exponent = time.effect
    truth = math.log(20 / 30) / math.log(700 / 300)
    assert exponent.mean == pytest.approx(truth, abs=0.1)


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_a_level_is_rarely_said_to_turn_where_none_does(slope: float) -> None:
    draw = Random(1)
    turns = [
        turn_of({str(n): [draw.gauss(slope * n, 1) for _ in range(5)] for n in range(4)}, 0.05)
        for _ in range(1000)
    ]
    assert sum(turn is not None for turn in turns) < 15


@pytest.mark.parametrize(
    ("name", "levels", "base", "others"),
    [
        ("gpu_clock_mhz", (1200, 1980, 900), "1,980 MHz", ["1,200 MHz", "900 MHz"]),
        ("governor", ("powersave", "performance"), "performance", ["powersave"]),
        ("governor", ("powersave", "ondemand"), "ondemand", ["powersave"]),
    ],
)
def test_the_reference_is_the_least_restricted_level(
    tmp_path: Path, name: str, levels: Sequence[Any], base: str, others: list[str]
) -> None:
    of = {level: (8000.0 + 300 * n, 20.0 + n) for n, level in enumerate(levels)}
    found = study(write_levels(tmp_path, of, name=name), name, measures=["total_joules"])
    assert {one.a.name for one in found.comparisons} == {base}
    assert [one.b.name for one in found.comparisons] == others


@pytest.mark.parametrize("base", ["500", "500 W"])
def test_another_reference_may_be_named_with_or_without_its_unit(tmp_path: Path, base: str) -> None:
    found = study(write_levels(tmp_path, LIMITS), base=base)
    assert {one.a.name for one in found.comparisons} == {"500 W"}
    with pytest.raises(SettingsError, match="no such group; there are 300 W, 500 W, 700 W"):
        study(tmp_path, base="400")


def test_limits_that_were_not_set_are_those_of_the_machine(tmp_path: Path) -> None:
    folder = write_levels(tmp_path / "set", {300.0: (7000.0, 20.0)})
    other = write_levels(tmp_path / "not", {700.0: (8000.0, 20.0)})
    for path in other.glob("*.json"):
        data = json.loads(path.read_text())
        del data["machine_settings"]
        data["experiment_id"] = f"{data['experiment_id']}_2"
        path.with_name(f"{data['experiment_id']}.json").write_text(json.dumps(data))
        path.unlink()
    rows = [run.row for one in (folder, other) for run in energyctl.load(one)]
    found = comparing.study_of(rows, LIMIT, measures=["total_joules"])
    assert [(one.a.name, one.b.name) for one in found.comparisons] == [("700 W", "300 W")]


def test_how_a_load_costs_at_each_limit_is_an_interaction(tmp_path: Path) -> None:
    """Conditions are compared within each level, and the pairs are of one level each."""
    two = {700.0: (9000.0, 20.0), 300.0: (7000.0, 30.0)}
    folder = write_levels(tmp_path, two, conditions=CONDITIONS)
    found = study(folder, "condition", measures=["total_joules"])
    (one,) = found.comparisons
    assert one.found.n == 5
    assert math.exp(one.found.mean) == pytest.approx(1.5, rel=0.01)
    (factor,) = found.factors
    assert dict(factor.weights) == {"300 W": -1.0, "700 W": 1.0}
    text = [text for text, _ in found.sentences()][-1]
    assert "at GPU power limit 700 W than at 300 W" in text
    assert not [line for line in below(found) if "of different" in line]
    pairs = energyctl.load(folder).pairs
    assert len(pairs) == 10
    assert {
        pair.match.beside.machine.limits == pair.match.alone.machine.limits for pair in pairs
    } == {True}


def test_the_limit_by_which_runs_are_compared_is_no_caveat_and_any_other_is(tmp_path: Path) -> None:
    a = write_levels(tmp_path / "a", {300.0: (7000.0, 20.0)}, values={"gpu_clock_mhz": 1500})
    b = write_levels(
        tmp_path / "b", {700.0: (8000.0, 25.0)}, values={"gpu_clock_mhz": 1200}, model="x"
    )
    for path in b.glob("*.json"):
        data = json.loads(path.read_text())
        data["foreground_result"]["model"] = "small"
        data["experiment_id"] = f"{data['experiment_id']}_2"
        path.write_text(json.dumps(data))
    rows = [run.row for one in (a, b) for run in energyctl.load(one)]

    def said(by: str) -> list[str]:
        return [line for line in below(comparing.study_of(rows, by)) if "of different" in line]

    clocks = "of different GPU clocks, as they were asked for (MHz): "
    assert said(LIMIT) == [f"{clocks}1200 against 1500"]
    assert said("gpu_clock_mhz") == ["of different GPU power limits (W): 300 against 700"]
    assert len(said("campaign")) == 2


def test_what_a_limit_does_is_not_held_against_it(tmp_path: Path) -> None:
    """Other causes of throttling are."""
    folder = write_levels(tmp_path, LIMITS)
    for path in folder.glob("*.json"):
        data = json.loads(path.read_text())
        low = data["machine_settings"][LIMIT]["requested"] == 300.0
        (phase,) = (one for one in data["phases"] if one["name"] == "foreground")
        seconds = phase["end"] - phase["start"]
        limited = {"power_cap": seconds * low, "heat": seconds * low}
        phase["state"] = {"gpus": {"gpu-0": {"looks": 3, "limited_seconds": limited}}, "cpus": {}}
        path.write_text(json.dumps(data))
    lines = [line for line in below(study(folder)) if "throttled" in line]
    assert len(lines) == 1
    assert "(gpu-0 heat)" in lines[0]


@pytest.mark.parametrize(
    ("name", "levels", "enforced", "lines"),
    [
        (
            LIMIT, (400.0, 350.0), {400.0: 350.4},
            [
                "GPU power limit 400 W: 350.4 W was enforced in 5 of 5 runs",
                "GPU power limit 350 W and 400 W overlap as they were enforced (350 W and 350.4 W):"
                " they are not two levels",
            ],
        ),
        (
            LIMIT, (400.0, 350.0), {400.0: 380.0},
            ["GPU power limit 400 W: 380 W was enforced in 5 of 5 runs"],
        ),
        (LIMIT, (400.0, 350.0), {400.0: 399.2}, []),
        (LIMIT, (400.0, 350.0), {400.0: None, 350.0: None}, []),
        (
            "gpu_clock_mhz", (1980, 1200), {1980: 1755.0},
            ["GPU clock 1,980 MHz: 1,755 MHz was its mean in the training in 5 of 5 runs"],
        ),
        ("gpu_clock_mhz", (1980, 1200), {1980: 1965.0}, []),
        (
            "governor", ("performance", "powersave"), {"powersave": "performance"},
            [
                "CPU governor powersave: performance was enforced in 5 of 5 runs",
                "CPU governor performance and powersave overlap as they were enforced (performance"
                " and performance): they are not two levels",
            ],
        ),
    ],
)  # fmt: skip
def test_levels_that_were_not_enforced_are_named_under_the_sentence(
    tmp_path: Path, name: str, levels: Sequence[Any], enforced: Mapping[Any, Any], lines: list[str]
) -> None:
    of = {level: (8000.0 + 300 * n, 20.0 + n) for n, level in enumerate(levels)}
    found = study(write_levels(tmp_path, of, name=name, enforced=enforced), name)
    told = [line for line in below(found) if not line.startswith("order: ")]
    assert told == lines


def test_the_command_knows_them_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_levels(tmp_path / "results", LIMITS)
    assert cli.run(["-C", str(tmp_path), "compare", "--by", LIMIT, "--base", "300"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "front / small: 500 W against 300 W, 5 blocks" in shown
    where = ["--where", f"{LIMIT}=300"]
    assert cli.run(["-C", str(tmp_path), "compare", "--by", "condition", *where]) == 2
    assert cli.run(["-C", str(tmp_path), "compare", "--by", "gpu_clock_mhz"]) == 2
    assert "no run has it; there are" in capfd.readouterr().err
    assert cli.run(["-C", str(tmp_path), "compare", "--by", LIMIT, "--methods"]) == 0
    assert "one run at each GPU power limit" in capfd.readouterr().out
