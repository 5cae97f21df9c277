"""Factors of a grid, level by level: what a report says of them, against a known truth."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest

import energyctl
from energyctl.analysis.answer import answer_of
from energyctl.analysis.factor_tables import factor_table
from energyctl.analysis.grid_factors import GridFactor, factors_of
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.ending import show_end
from set_machines import WORSE, write_grid, write_levels

CONDITIONS = (("alone", 1.0), ("loaded", 1.5))


def only(folder: Path) -> GridFactor:
    (factor,) = factors_of(energyctl.load(folder))
    return factor


def test_each_level_has_its_means_its_change_and_its_place(tmp_path: Path) -> None:
    factor = only(write_levels(tmp_path, WORSE))
    assert (factor.words, factor.base) == ("GPU power limit", "700 W")
    assert [level.name for level in factor.levels] == ["700 W", "500 W", "300 W", "200 W"]
    for level, (joules, seconds) in zip(factor.levels, WORSE.values(), strict=True):
        assert len(level.runs) == 5
        for mean, truth in ((level.joules, joules), (level.seconds, seconds)):
            assert mean.low is not None
            assert mean.high is not None
            assert mean.low < truth < mean.high
    assert [level.front for level in factor.levels] == [True, True, False, False]
    assert [level.energy is None for level in factor.levels] == [True, False, False, False]


def test_the_table_has_figures_with_the_digits_of_their_intervals(tmp_path: Path) -> None:
    table = factor_table(only(write_levels(tmp_path, WORSE)))
    assert [" ".join(lines) for lines in table.head] == [
        "GPU power limit", "runs", "energy (kJ)", "95 % interval (kJ)", "energy against 700 W",
        "time (s)", "95 % interval (s)", "time against 700 W", "on the front",
    ]  # fmt: skip
    first, second, *_ = table.rows
    assert first[0::4] == ["700 W", "", "yes"]
    assert second[4] == "-11.23 % (-11.70 to -10.76 %)"


def test_one_run_of_a_level_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    table = factor_table(only(write_levels(tmp_path, WORSE, blocks=1)))
    assert [row[3] for row in table.rows] == [""] * 4
    assert all(row[2] for row in table.rows)


def test_each_condition_and_each_factor_is_told_by_itself(tmp_path: Path) -> None:
    two = {700.0: (9000.0, 20.0), 300.0: (7000.0, 30.0)}
    runs = energyctl.load(write_levels(tmp_path, two, conditions=CONDITIONS))
    answer = answer_of(runs)
    assert [factor.place for factor in answer.factors] == [
        "front / small, alone", "front / small, loaded",
    ]  # fmt: skip
    told = answer.sentences()
    assert told[0].startswith("Loaded: 50 % more total energy than alone")
    for condition in ("alone", "loaded"):
        (said,) = (one for one in told if one.startswith(f"front / small, {condition}: "))
        assert said.startswith(
            f"front / small, {condition}: 300 W: 22 % less total energy than 700"
        )
    assert len(answer.conditions) == 2


def test_a_campaign_of_a_factor_alone_says_what_it_does(tmp_path: Path) -> None:
    """And not that there is nothing to compare; a mean over all of its levels would say nothing."""
    answer = answer_of(energyctl.load(write_levels(tmp_path, WORSE)))
    assert answer.study is None
    assert answer.conditions == ()
    assert not answer.lacking
    assert answer.sentences()[0].startswith("500 W: 11 % less total energy than 700 W")
    assert answer.comparisons()[-1].startswith("Total energy is least at a GPU power limit of 500")


def test_a_hyper_parameter_of_a_grid_is_a_factor_like_another(tmp_path: Path) -> None:
    folder = write_levels(tmp_path, {32: (9000.0, 20.0), 64: (7000.0, 30.0)}, name="batch_size")
    factor = only(folder)
    assert (factor.words, factor.base) == ("batch_size", "32")


@pytest.mark.parametrize("conditions", [CONDITIONS[:1], CONDITIONS])
def test_the_end_of_a_campaign_has_the_levels_and_fits_a_screen(
    tmp_path: Path, conditions: tuple[tuple[str, float], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_levels(Path("results"), WORSE, conditions=conditions)
    file = io.StringIO()
    console = LineConsole(
        file=file, width=80, height=24, force_terminal=True, color_system=None, highlight=False,
        markup=False, emoji=False,
    )  # fmt: skip
    show_end(console, [run.result for run in energyctl.load(folder)], folder)
    lines = file.getvalue().splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert any("against 700 W" in line for line in lines)
    if len(conditions) == 1:
        row = next(line for line in lines if line.startswith("500 W"))
        assert " ".join(row.split()) == "500 W 5 7.995 -11.23 % (-11.70 to -10.76 %) 22.027 yes"
        assert "less total energy than 700 W" in " ".join(lines)


TWO = {700.0: (9000.0, 20.0), 300.0: (7000.0, 30.0)}
TEN_TIMES = {10: 1.0, 100: 10.0}


def of_grid(folder: Path) -> list[GridFactor]:
    factors = factors_of(energyctl.load(folder))
    assert [one.name for one in factors] == ["gpu_power_limit_watts", "epochs"]
    return list(factors)


def assert_of_one_measure(factor: GridFactor) -> None:
    """Means and changes of a row say the same."""
    first, *others = factor.levels
    for level in others:
        assert level.energy is not None
        assert level.energy.ratio is not None
        assert level.joules.value is not None
        assert first.joules.value is not None
        ratio = level.joules.value / first.joules.value
        assert ratio == pytest.approx(math.exp(level.energy.ratio.mean))


def test_other_factors_are_no_scatter_of_a_level(tmp_path: Path) -> None:
    """Its interval is over blocks, each with all values of the others."""
    for factor in of_grid(write_grid(tmp_path, TWO, TEN_TIMES)):
        assert_of_one_measure(factor)
        for level in factor.levels:
            joules = level.joules
            assert joules.low is not None
            assert joules.high is not None
            assert joules.value is not None
            assert (joules.high - joules.low) / joules.value < 0.01
            assert level.used == len(level.runs) == 6


def test_what_failed_at_one_level_is_in_the_mean_of_no_other(tmp_path: Path) -> None:
    """Long runs at 700 W, so that those which are left there are short."""
    folder = write_grid(
        tmp_path,
        TWO,
        TEN_TIMES,
        failed=lambda block, level, n: (level, n) == (700, 100) and block < 3,
    )
    limit, epochs = of_grid(folder)
    for factor in (limit, epochs):
        assert_of_one_measure(factor)
        for level in factor.levels:
            assert level.used == 2
            assert level.joules.low is None
    assert [level.front for level in limit.levels] == [True, True]
    rows = factor_table(limit).rows
    assert [row[1] for row in rows] == ["2 of 4", "2 of 6"]
    assert [row[3] for row in rows] == [row[6] for row in rows] == ["", ""]


def test_a_value_that_always_fails_at_a_level_is_in_no_mean(tmp_path: Path) -> None:
    folder = write_grid(
        tmp_path, TWO, TEN_TIMES, failed=lambda block, level, n: (level, n) == (700, 100)
    )
    limit, _ = of_grid(folder)
    assert [level.used for level in limit.levels] == [3, 3]
    assert_of_one_measure(limit)
    assert all(level.joules.low is not None for level in limit.levels)


def test_one_repetition_of_a_grid_has_means_and_no_interval(tmp_path: Path) -> None:
    for factor in of_grid(write_grid(tmp_path, TWO, TEN_TIMES, blocks=1)):
        assert_of_one_measure(factor)
        assert all(level.joules.low is None for level in factor.levels)


def test_levels_without_a_block_in_common_have_no_means_and_no_front(tmp_path: Path) -> None:
    """Each of the others was compared with the first in a block of its own."""
    three = {700.0: (9000.0, 20.0), 500.0: (8000.0, 22.0), 300.0: (7000.0, 30.0)}
    folder = write_grid(
        tmp_path, three, {10: 1.0}, blocks=2,
        failed=lambda block, level, n: (block, level) in ((1, 500), (2, 300)),
    )  # fmt: skip
    factor, *_ = factors_of(energyctl.load(folder))
    assert [level.joules.value for level in factor.levels] == [None] * 3
    assert [level.front for level in factor.levels] == [False] * 3
    assert [row[1:4] for row in factor_table(factor).rows] == [
        ["0 of 2", "", ""], ["0 of 1", "", ""], ["0 of 1", "", ""],
    ]  # fmt: skip


def test_campaigns_of_other_values_are_no_scatter_of_a_level(tmp_path: Path) -> None:
    folder = write_levels(tmp_path, TWO, blocks=2)
    for file in folder.glob("*.json"):
        one = json.loads(file.read_text())
        if one["block"] == 2:
            one["foreground_result"]["hyperparameters"]["epochs"] = 100
            one["environment"]["run"]["experiment"] = 1
            file.write_text(json.dumps(one))
    assert all(level.joules.low is None for level in only(folder).levels)
