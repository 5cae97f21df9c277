"""Total energy by condition, as the first figure of a page and `energyctl plot` draw it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import energyctl
from energyctl.analysis import charts
from energyctl.analysis.answer import Level, answer_of
from energyctl.analysis.charts.level_charts import LevelChart, level_chart, levels
from energyctl.analysis.interference.means import mean_of
from energyctl.results.pairs import Figure
from written_results import write_runs


def level(training: str, condition: str, joules: list[float]) -> Level:
    runs = tuple((f"{condition} {number}", value) for number, value in enumerate(joules))
    return Level(training, condition, runs, mean_of([[Figure(one)] for one in joules]), True)


def chart_of(*of: Level) -> LevelChart:
    found = level_chart(of)
    assert found is not None
    return found


def test_alone_is_first_and_each_run_is_a_point() -> None:
    found = chart_of(level("a / b", "beside", [3000.0, 3100.0]), level("a / b", "alone", [2000.0]))
    assert [row["condition"] for row in found.rows["levels"]] == ["alone", "beside"]
    assert [row["joules"] for row in found.rows["points"]] == [2000.0, 3000.0, 3100.0]
    assert found.rows["trainings"] == []
    assert (found.unit, found.log) == ("kJ", False)
    alone, beside = found.rows["levels"]
    assert alone["words"] == "n = 1, mean 2 kJ"
    assert beside["words"] == "n = 2, mean 3.05, 95 % interval 2.41 to 3.69 kJ"


def test_trainings_have_a_head_and_rows_do_not_meet() -> None:
    long = "repository_with_a_long_name / a_model_with_a_name_that_takes_two_lines"
    found = chart_of(
        level("a / b", "alone", [5.0]), level(long, "alone", [5.0]), level(long, "beside", [200.0])
    )
    heads = found.rows["trainings"]
    assert ["".join(head["text"]).replace(" ", "") for head in heads] == [
        "a/b", long.replace(" ", ""),
    ]  # fmt: skip
    places = [row["place"] for row in found.rows["levels"]]
    assert all(second - first > 3.5 for first, second in pairwise(places))
    assert places[-1] + 1 < found.height
    assert found.log


def test_levels_are_those_of_an_answer_and_the_chart_is_one_of_vega_lite(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [1000.0, 1010.0, 990.0])
    answer = answer_of(energyctl.load(tmp_path))
    found = level_chart(answer.levels)
    assert found is not None
    assert found.rows["levels"][0]["joules"] == pytest.approx(1000.0)
    assert found.rows["levels"][0]["low"] == answer.levels[0].mean.low
    for width in ("container", 240.0):
        spec = levels(found, width=width).to_dict()
        names = {layer["data"]["name"] for layer in spec["layer"]}
        assert names == {"points", "levels"}
    assert level_chart([]) is None
    assert charts.condition_marks(found.conditions)["alone"].shape == "circle"
