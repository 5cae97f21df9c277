"""Runs whose total is a meter of the whole machine beside runs whose total is added up from parts:
no energy of them is compared, averaged or added up, and one line says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.answer import answer_of
from energyctl.analysis.grid_factors import factors_of
from energyctl.analysis.report.summary import glance
from energyctl.errors import SettingsError
from energyctl.results.api import Runs
from set_machines import write_levels
from written_results import with_wall, write_runs, write_shared_pair

LEVELS = {700.0: (9000.0, 20.0), 300.0: (7000.0, 30.0)}
LIMIT = "gpu_power_limit_watts"
UNLIKE = "not metered alike: the total is gpu-0 in 5 runs, wall (by itself) in 5 runs"


def metered_by_wall(folder: Path, which: Callable[[dict[str, Any]], bool]) -> Path:
    for file in folder.glob("*.json"):
        document = json.loads(file.read_text())
        if which(document):
            file.write_text(json.dumps(with_wall(document, 1.3)))
    return folder


def at_300_watts(document: dict[str, Any]) -> bool:
    watts: float = document["environment"]["run"]["machine"][LIMIT]
    return watts == 300.0


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A level by its GPU, the other by the wall."""
    return metered_by_wall(write_levels(tmp_path / "results", LEVELS), at_300_watts)


def pairs(folder: Path) -> Runs:
    """A block by its GPU, another by the wall."""
    for block in (1, 2):
        write_shared_pair(folder, block, started=1_800_000_000.0 + 1000 * block)
    metered_by_wall(folder, lambda document: document["block"] == 2)
    return energyctl.load(folder)


def test_energies_are_not_compared_and_times_are(mixed: Path) -> None:
    study = energyctl.compare(energyctl.load(mixed), LIMIT).study
    assert list(study.measures) == ["duration_seconds"]
    assert [one.measure for one in study.comparisons] == ["duration_seconds"]
    (line,) = (note for note in study.notes if "total energy" in note)
    cure = "--where total_of=… takes those of one kind"
    assert line == f"front / small: total energy left out, {UNLIKE}; {cure}"
    assert not any("domains in the total" in line for line in study.comparisons[0].caveats)
    with pytest.raises(SettingsError, match="not metered alike"):
        energyctl.compare(energyctl.load(mixed), LIMIT, measures="total_joules")


@pytest.mark.parametrize("output", ["--json", "--latex", "--methods"])
def test_every_output_of_a_comparison_does_without(
    mixed: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["-C", str(mixed.parent), "compare", "--by", LIMIT, output]) == 0
    assert capsys.readouterr().out


def test_those_of_one_kind_are_compared(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_levels(mixed, LEVELS, model="large")
    arguments = ["compare", "--by", LIMIT, "--where", "total_of=gpu-0"]
    assert cli.run(["-C", str(mixed.parent), *arguments]) == 0
    assert "22 % less total energy" in capsys.readouterr().out


def test_other_parts_of_a_machine_are_a_line_under_the_sentence(tmp_path: Path) -> None:
    folder = write_levels(tmp_path, LEVELS)
    for file in folder.glob("*.json"):
        document = json.loads(file.read_text())
        if at_300_watts(document):
            document["energy"]["domains"][0]["name"] = "gpu-1"
            file.write_text(json.dumps(document))
    study = energyctl.compare(energyctl.load(folder), LIMIT).study
    caveats = {one.measure: one.caveats for one in study.comparisons}
    line = "of different domains in the total: gpu-0 against gpu-1"
    assert line in caveats["total_joules"]
    assert line not in caveats["duration_seconds"]


def test_a_trend_of_energies_is_refused_likewise(tmp_path: Path) -> None:
    folder = write_runs(tmp_path, "mutation", [100.0 + n for n in range(12)])
    metered_by_wall(folder, lambda one: one["energy"]["total_joules"] > 105)
    study = energyctl.compare(
        energyctl.load(folder), "lr", measures=["total_joules", "duration_seconds"]
    ).study
    assert [one.measure for one in study.correlations] == ["duration_seconds"]
    assert any("total energy left out, not metered alike" in note for note in study.notes)


def test_factors_means_and_sums_have_one_line_in_their_place(
    mixed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = energyctl.load(mixed)
    answer = answer_of(runs)
    assert factors_of(runs) == ()
    assert answer.levels == ()
    assert answer.sentences() == [f"front / small: {UNLIKE}"]
    assert glance(runs).joules is None
    assert cli.run(["-C", str(mixed.parent), "report", "--html", "page.html"]) == 0
    assert UNLIKE in (mixed.parent / "page.html").read_text()
    assert cli.run(["-C", str(mixed.parent), "report"]) == 0
    assert "their totals are not of the same" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["conditions", "effect", "tradeoff"])
def test_figures_of_energies_say_why_there_are_none(
    mixed: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["-C", str(mixed.parent), "plot", "--kind", kind, "--out", "f.svg"]) == 2
    assert f"front / small: {UNLIKE}" in capsys.readouterr().err


def test_means_of_pairs_have_times_and_no_energies(tmp_path: Path) -> None:
    (means,) = answer_of(pairs(tmp_path)).means
    assert means.slowdown.value == pytest.approx(1.25)
    for name in ("energy_ratio", "saving_joules", "marginal_joules"):
        mean = getattr(means, name)
        assert mean.value is None
        assert mean.missing.startswith("not metered alike")


def test_conditions_are_compared_in_what_all_runs_have(tmp_path: Path) -> None:
    answer = answer_of(pairs(tmp_path))
    assert answer.study is not None
    assert "total_joules" not in answer.study.measures
    assert answer.lacking[0].startswith("front / small: not metered alike")
