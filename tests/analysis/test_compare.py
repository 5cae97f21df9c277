"""Groups of runs compared: blocks, pairs and independent runs, from rows to words."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from energyctl import cli
from energyctl.analysis.compare import (
    CompareOptions,
    Comparison,
    Study,
    based_on,
    by_name,
    compare_groups,
    correlate_rows,
    document,
    filtered,
    methods_text,
    two_groups,
)
from energyctl.analysis.compare.correlation import correlate
from energyctl.analysis.compare.grouping import Side
from energyctl.analysis.compare.meters import meter_of
from energyctl.cli.output.compare_latex import escaped
from golden_blocks import ALONE, ALONE_FIRST, BESIDE, CELLS
from hardware.simulated import GPU, Counter
from hardware.simulated import run as simulated_run
from written_results import write_runs

Row = dict[str, Any]


def row(joules: float, started: float, **columns: Any) -> Row:
    """A run of 60 s on one machine, metered by GPU counters to 1 J of its own and 2 J shared."""
    found = {
        "experiment_id": f"E{started:.0f}", "campaign": "c", "experiment": 0, "status": "succeeded",
        "repository": "front", "model": "small", "mode": "mutation", "condition": "alone",
        "started": started, "duration_seconds": 60.0, "total_joules": joules,
        "gpu_joules": joules, "total_watts": joules / 60, "energy_measured": True,
        "total_uncertainty_joules": 3.0, "total_own_joules": 1.0,
        "gpu_uncertainty_joules": 3.0, "gpu_own_joules": 1.0, "hostname": "node", "node": "node",
        "gpu_uuids": "GPU-1", **columns,
    }  # fmt: skip
    return found


def beside(joules: float, started: float, **columns: Any) -> Row:
    return row(joules, started, **{"mode": "parallel", "condition": "beside two", **columns})


def in_blocks(a: Sequence[float] = ALONE, b: Sequence[float] = BESIDE) -> list[Row]:
    """A block of both each, alone first in some of them; a learning rate of its own each."""
    rows = []
    for number, (x, y) in enumerate(zip(a, b, strict=True), 1):
        first = number in ALONE_FIRST
        at, own = 1000.0 * number, {"block": number, "repetition": number, "hyperparam_lr": number}
        rows += [row(x, at + 100 * (not first), **own), beside(y, at + 100 * first, **own)]
    return rows


def study(rows: list[Row], *measures: str, by: str = "condition", **options: Any) -> Study:
    groups = by_name(rows, by)
    assert groups is not None
    return compare_groups(groups, measures or ("total_joules",), CompareOptions(**options), by)


def only(found: Study) -> Comparison:
    (one,) = found.comparisons
    return one


def words(found: Study) -> str:
    return " ".join(" ".join([text, *below]) for text, below in found.sentences())


# -- blocks ------------------------------------------------------------------------------------


def test_eight_blocks_of_three_and_a_half_per_cent_are_told() -> None:
    found = only(study(in_blocks(), margin=0.05))
    data = document(study(in_blocks(), margin=0.05))["comparisons"][0]
    assert (found.sample.design, data["n"], data["more_in"]) == ("blocks", 8, 8)
    ratio = data["ratio"]
    assert (ratio["value"], ratio["low"], ratio["high"]) == pytest.approx(
        (1.035238, 1.029602, 1.040905), abs=5e-7
    )
    assert (data["p"], data["sd_log"]) == (
        pytest.approx(1.40420e-6, rel=1e-5),
        pytest.approx(0.00652948, rel=1e-5),
    )
    assert data["p_flip"] == 0.0078125
    assert (data["at_most"], data["at_least"]) == pytest.approx((1.039776, 1.030720), abs=5e-7)
    position = data["position"]
    assert (position["value"], position["low"], position["high"]) == pytest.approx(
        (1.000847, 0.994818, 1.006913), abs=5e-7
    )
    assert position["p"] == pytest.approx(0.7434, abs=5e-5)
    assert found.verdict == "differs, within the margin"
    assert only(study(in_blocks())).verdict == "differs"
    assert words(study(in_blocks(), margin=0.05)).startswith(
        "Beside two: 3.5 % more total energy than alone (95 % interval 3.0 to 4.1 "
        "%; 8 blocks; p < 0.0001): shown, and no more than 5 %."
    )


def test_a_block_that_lacks_a_run_is_left_out_and_named() -> None:
    rows = [r for r in in_blocks() if (r["block"], r["condition"]) != (3, "alone")]
    failed = next(r for r in in_blocks() if (r["block"], r["condition"]) == (3, "alone"))
    found = study([*rows, {**failed, "status": "failed"}])
    assert only(found).found.n == 7
    assert only(found).sample.left_out == ["block 3"]
    assert "left out, since a run of it is missing: block 3" in found.notes
    assert "left out: 1 failed" in found.notes


def factorial(cells: Sequence[Sequence[float]] = CELLS, levels: Sequence[Any] = (32, 64)) -> list:
    """Alone and beside, at each batch size: a block for each batch size of each repetition."""
    rows, at, block = [], 0.0, 0
    for repetition, joules in enumerate(cells, 1):
        for place, level in enumerate(levels):
            block += 1
            own = {"block": block, "repetition": repetition, "hyperparam_batch": level}
            turns = [(row, joules[2 * place]), (beside, joules[2 * place + 1])]
            for make, figure in turns[:: 1 if block % 2 else -1]:
                at += 100
                rows.append(make(figure, at, **own))
    return rows


def test_main_effects_and_the_interaction_of_a_grid_are_contrasts_of_its_repetitions() -> None:
    found = study(factorial())
    effect = document(found)["comparisons"][0]
    assert (effect["n"], effect["blocks"][0]["name"]) == (5, "repetition 1")
    ratio = effect["ratio"]
    assert (ratio["value"], ratio["low"], ratio["high"]) == pytest.approx(
        (1.333801, 1.328473, 1.339150), abs=5e-7
    )
    (interaction,) = document(found)["factors"]
    ratio = interaction["ratio"]
    assert (interaction["kind"], interaction["factor"]) == ("interaction", "batch")
    assert (ratio["value"], ratio["low"], ratio["high"]) == pytest.approx(
        (1.027785, 1.020164, 1.035462), abs=5e-7
    )
    assert interaction["p"] == pytest.approx(5.157e-4, rel=1e-3)
    assert interaction["p_adjusted"] == pytest.approx(interaction["p"])  # the larger of two
    assert effect["family_size"] == interaction["family_size"] == 2
    assert "total energy is 2.8 % larger at batch 64 than at 32" in interaction["sentence"]
    of_batch = document(study(factorial(), by="batch"))["comparisons"][0]["ratio"]
    assert (of_batch["value"], of_batch["low"], of_batch["high"]) == pytest.approx(
        (0.830174, 0.828857, 0.831494), abs=1e-6
    )


def test_a_cell_without_a_run_breaks_its_repetition_alone() -> None:
    rows = [r for r in factorial() if not (r["repetition"] == 2 and r["total_joules"] == 1181)]
    found = only(study(rows))
    assert (found.found.n, list(found.sample.left_out)) == (4, ["repetition 2"])
    assert any(note.endswith("missing: repetition 2") for note in study(rows).notes)


def test_a_grid_of_one_repetition_has_its_cells_for_blocks() -> None:
    cells = ([1000, 1310, 820, 1105, 500, 655],)
    found = study(factorial(cells, (16, 32, 64)))
    assert only(found).found.n == 3
    assert any(note.startswith("one repetition of a grid") for note in found.notes)


def test_levels_of_a_grid_are_a_trend_over_its_blocks() -> None:
    random, rows = Random(2), []
    for block in range(1, 7):
        own = 1000 * random.uniform(0.5, 2)
        for place, level in enumerate((8, 16, 32, 64)):
            joules = own * level**-0.3 * random.lognormvariate(0, 0.004)
            columns = {"block": block, "repetition": block, "hyperparam_batch": level}
            rows.append(row(joules, 1000 * block + 100 * place, **columns))
    data = document(study(rows, by="batch"))
    (trend,) = data["factors"]
    assert (trend["kind"], trend["family_size"], trend["verdict"]) == ("trend", 1, "differs")
    assert trend["exponent"]["low"] < -0.3 < trend["exponent"]["high"]
    assert trend["per_doubling"] == pytest.approx(2**-0.3, rel=0.01)
    assert "Total energy goes with batch to the power of -0.30" in trend["sentence"]
    assert "19 % less for its double" in trend["sentence"]
    assert len(data["comparisons"]) == 3
    assert data["comparisons"][0]["family_size"] == 3


def test_values_that_are_computed_from_a_factor_are_no_factors_of_their_own() -> None:
    rows = [{**r, "hyperparam_alpha": r["hyperparam_batch"] / 1000} for r in factorial()]
    Random(1).shuffle(rows)
    (interaction,) = study(rows).factors
    assert interaction.factor == "alpha"  # as good a name as the other: they change together
    assert study(rows, by="batch").comparisons[0].found.n == 5


def test_campaigns_of_one_name_are_told_apart_by_their_journals() -> None:
    first = [{**r, "journal": "1_load"} for r in in_blocks()]
    second = [
        {**r, "journal": "2_load", "experiment_id": r["experiment_id"] + "b"} for r in in_blocks()
    ]
    found = only(study([*first, *second]))
    assert found.found.n == 16
    assert found.sample.blocks[0].name == "block 1 of 1_load"


def test_the_base_is_the_group_that_was_alone() -> None:
    rows = [
        {**r, "condition": "solo" if r["condition"] == "alone" else "a load"} for r in in_blocks()
    ]
    groups = by_name(rows, "condition")
    assert groups is not None
    assert list(groups.rows) == ["a load", "solo"]
    assert list(based_on(groups, None).rows) == ["solo", "a load"]
    assert list(based_on(groups, "a load").rows) == ["a load", "solo"]


def test_several_backgrounds_taken_together_are_one_mean_of_a_block_and_named() -> None:
    rows = []
    for r in in_blocks():
        rows.append(r)
        if r["condition"] != "alone":
            rows.append(
                {
                    **r,
                    "condition": "beside three",
                    "experiment_id": r["experiment_id"] + "b",
                    "total_joules": 2 * r["total_joules"],
                    "started": r["started"] + 200,
                }
            )
    found = study(rows, by="background")
    assert math.exp(only(found).found.mean) == pytest.approx(1.035238 * math.sqrt(2), abs=1e-5)
    pooled = "has runs of several conditions, taken together: beside three (8), beside two (8)"
    assert any(pooled in line for line in only(found).caveats)


def test_a_background_that_a_block_lacks_is_in_none_of_its_means() -> None:
    rows = in_blocks([1000.0 + k for k in range(6)], [1020.0 + k for k in range(6)])
    second = [
        {**r, "condition": "b2", "experiment_id": r["experiment_id"] + "b", "total_joules": 1400.0}
        for r in rows
        if r["condition"] != "alone" and r["block"] <= 3
    ]
    found = only(study([*rows, *second], by="background"))
    assert found.found.n == 3
    assert found.sample.left_out == ["block 4", "block 5", "block 6"]


def test_a_factor_of_many_levels_is_a_trend_of_its_blocks() -> None:
    rows = []
    for block in range(1, 5):
        for place, level in enumerate((8, 16, 32, 64, 128, 256, 512)):
            joules = 1000 * block * level**-0.2 * (1 + 0.001 * ((block * place) % 3))
            columns = {"block": block, "repetition": block, "hyperparam_batch": level}
            rows.append(row(joules, 1000 * block + 100 * place, **columns))
    found = study(rows, by="batch")
    (trend,) = found.factors
    assert trend.effect.n == 4
    assert trend.effect.mean == pytest.approx(-0.2, abs=0.001)
    assert len(found.comparisons) == 6


def test_rounding_alone_makes_no_interaction() -> None:
    cells = [[100.0 * k, 110.0 * k, 130.0 * k, 143.0 * k] for k in range(1, 6)]
    (interaction,) = study(factorial(cells)).factors
    assert interaction.effect.p is None


def test_levels_that_look_alike_are_one_group_or_told_apart() -> None:
    rows = [row(100.0 + k, 10.0 * k, hyperparam_lr=(1, "1", 2)[k % 3]) for k in range(9)]
    groups = by_name(rows, "lr")
    assert groups is not None
    assert {name: len(of) for name, of in groups.rows.items()} == {"1": 6, "2": 3}
    near = [row(100.0 + k, 10.0 * k, hyperparam_lr=(0.1, 0.10000001)[k % 2]) for k in range(8)]
    groups = by_name(near, "lr")
    assert groups is not None
    assert list(groups.rows) == ["0.1", "0.10000001"]


def test_an_interaction_that_is_open_is_said_to_be() -> None:
    cells = [[1000, 1300, 800, 1090], [1000, 1310, 800, 1020], [1000, 1330, 800, 1060]]
    found = study(factorial(cells))
    (interaction,) = found.factors
    assert interaction.verdict == "open"
    assert "is between" in words(found)
    assert "for 2 comparisons" in words(found)


# -- what misled before ------------------------------------------------------------------------


def one_after_the_other(n: int, drift: float, effect: float = 0.0, seed: int = 1) -> list[Row]:
    """All runs alone, then all beside; nothing is true but a drift over the campaign."""
    random, rows = Random(seed), []
    for place in range(2 * n):
        joules = 1000 * (1 + drift * place / (2 * n - 1)) * random.lognormvariate(0, 0.002)
        make = row if place < n else beside
        rows.append(make(joules * (1 if place < n else 1 + effect), 600.0 * place))
    return rows


def test_one_group_after_the_other_is_confounded_with_time() -> None:
    found = study(one_after_the_other(8, 0.03))
    assert only(found).verdict == "confounded with time"
    order = only(found).time_order
    assert order is not None
    assert order.drift == pytest.approx(0.03, abs=0.005)
    assert "but the runs of alone came before those of beside two: a steady drift of 3." in words(
        found
    )
    assert "would look the same" in words(found)
    early = one_after_the_other(10, 0.03)
    early[-1]["started"] = -1.0  # one run beside before all others
    order = only(study(early)).time_order
    assert order is not None
    assert (order.first, order.last) == ("alone", "beside two")
    wild = one_after_the_other(8, 0.0, 4.0)
    wild[0]["started"] = 1e9
    order = only(study(wild)).time_order
    assert order is None or order.drift is None
    mixed = one_after_the_other(8, 0.0, 0.05)
    for place, one in enumerate(mixed):
        one["started"] = 600.0 * (2 * (place % 8) + place // 8)
    assert only(study(mixed)).verdict == "differs"


def test_blocks_that_all_begin_alike_are_named() -> None:
    rows = in_blocks()
    for one in rows:
        one["started"] = 1000.0 * one["block"] + 100 * (one["condition"] != "alone")
    assert any(
        line.startswith("alone ran first in every block") for line in only(study(rows)).caveats
    )
    assert only(study(in_blocks())).caveats == []
    assert "in an order balanced over blocks" in methods_text(study(in_blocks()))
    assert "in an order that was not balanced" in methods_text(study(rows))
    grid = factorial()
    for one in grid:
        one["started"] = 1000.0 * one["block"] + 100 * (one["condition"] != "alone")
    assert any(line.startswith("alone ran first in every") for line in only(study(grid)).caveats)
    for one in grid:
        one["started"] = None
    assert ", in an order" not in methods_text(study(grid))


NEVER = (
    "no difference",
    "not shown",
    "are the same",
    "large",
    "small,",
    "negligible",
    "too few runs",
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.5, 50), min_size=2, max_size=9),
    st.lists(st.floats(0.5, 50), min_size=2, max_size=9),
    st.sampled_from([None, 0.05]),
)
def test_verdict_interval_and_words_are_of_one_estimand(
    x: list[float], y: list[float], margin: float | None
) -> None:
    rows = [
        *(row(v, 10.0 * k) for k, v in enumerate(x)),
        *(beside(v, 10.0 * k + 5) for k, v in enumerate(y)),
    ]
    found = study(rows, margin=margin)
    one = only(found)
    low, high = one.found.low, one.found.high
    said = words(found).lower()
    assert not [word for word in NEVER if word in said]
    if low is None or high is None:
        assert one.verdict in ("open", "too few")
    else:
        assert low <= one.found.mean <= high
        if one.verdict == "differs":
            assert not low <= 0 <= high
        if one.verdict == "open" and margin is None:
            assert low <= 0 <= high
            assert "between" in said
    json.dumps(document(found), allow_nan=False)


def test_three_runs_against_three_have_an_interval_and_no_plan_from_what_was_seen() -> None:
    rows = [row(v, 10.0 * k) for k, v in enumerate((100, 130, 90))]
    rows += [beside(v, 10.0 * k + 5) for k, v in enumerate((199, 260, 188))]
    found = only(study(rows))
    assert found.verdict == "differs"
    assert found.ratio is not None
    theirs = stats.ttest_ind(
        np.log([199, 260, 188]), np.log([100, 130, 90]), equal_var=False
    ).confidence_interval()
    assert (found.ratio.low, found.ratio.high) == pytest.approx((theirs.low, theirs.high))
    # The same spread with another effect takes as many runs.
    other = [
        {**r, "total_joules": r["total_joules"] / 2} if r["mode"] == "parallel" else r for r in rows
    ]
    assert only(study(other)).needed(0.05) == found.needed(0.05)
    assert only(study(other)).needed(0.05) is not None


def test_one_block_is_too_few_and_that_alone() -> None:
    found = study(in_blocks(ALONE[:1], BESIDE[:1]))
    assert only(found).verdict == "too few"
    assert "one block does not show how much blocks vary" in words(found)
    two = study(in_blocks(ALONE[:2], BESIDE[:2]))
    assert only(two).verdict != "too few"
    assert only(two).found.low is not None


def test_what_differs_between_the_groups_is_named_under_the_sentence() -> None:
    odd = {
        "gpu_power_limit_watts": "250", "governors": "powersave", "gpu_driver": "535.1",
        "background_min_coverage": 0.35, "node": "other",
    }  # fmt: skip
    plain = {"gpu_power_limit_watts": "300", "governors": "performance", "gpu_driver": "550.2"}
    rows = [{**r, **(plain if r["condition"] == "alone" else odd)} for r in in_blocks()]
    rows[1] |= {"energy_measured": False}
    failed = [
        beside(1, 50_000.0 + k, status="failed", block=9 + k, repetition=9 + k) for k in range(4)
    ]
    below = " | ".join(only(study([*rows, *failed])).caveats)
    lost = [
        {**r, "status": "failed"} if r["condition"] != "alone" and r["block"] > 4 else r
        for r in in_blocks()
    ]
    assert (
        "runs that failed are not in this figure: alone 0 of 8, beside two 4 of 8"
        in only(study(lost)).caveats
    )
    assert "4 of 16 runs failed." in methods_text(study(lost))
    for line in (
        "of different GPU power limits (W): 300 against 250",
        "of different CPU governors: performance against powersave",
        "of different GPU drivers: 550.2 against 535.1",
        "of different machines: node against other",
        "ran for less than 99 % of the training in 8 of 8 runs, in one for only 35.0 %",
        "estimates stand beside measurements: 0 of 8 of alone and 1 of 8 of beside two",
        "runs that failed are not in this figure: alone 0 of 8, beside two 4 of 12",
    ):
        assert line in below


def test_values_that_were_drawn_anew_are_in_the_sentence() -> None:
    random = Random(3)
    rows = []
    for k in range(8):
        for make in (row, beside):
            lr = random.uniform(0.1, 1)
            rows.append(make(1000 * lr, 10.0 * k + (make is beside), hyperparam_lr=lr))
    found = study(rows)
    assert "values were drawn anew in each group (lr): by chance alone up to" in words(found)
    assert "`conditions` in the settings file runs both with the same values" in words(found)
    assert only(found).sample.design == "independent runs"


def test_runs_of_equal_values_and_seed_are_pairs() -> None:
    rows = [{**r, "block": None, "repetition": None} for r in in_blocks()]
    found = study(rows)
    assert only(found).sample.design == "pairs of equal values"
    assert math.exp(only(found).found.mean) == pytest.approx(1.035238, abs=5e-7)
    assert any("runs of equal values and seed in both groups" in note for note in found.notes)
    assert "8 pairs of equal values" in words(found)
    # Two campaigns of both conditions, of which one is 2 % higher.
    later = [
        {**r, "experiment_id": "L" + r["experiment_id"], "total_joules": 1.02 * r["total_joules"]}
        for r in rows
    ]
    both = compare_groups(
        two_groups(rows, later, ("one", "two")), ("total_joules",), CompareOptions(), None
    )
    assert only(both).found.n == 16
    assert math.exp(only(both).found.mean) == pytest.approx(1.02)
    # Of which one has more.
    first = [r for r in rows if r["condition"] == "alone"][:6]
    second = [r for r in rows if r["condition"] != "alone"]
    groups = two_groups(first, second, ("solo", "loaded"))
    more = compare_groups(groups, ("total_joules",), CompareOptions(), None)
    assert only(more).found.n == 6
    assert "left out: 2 without a run of equal values in the other group" in more.notes


def test_a_figure_that_is_no_number_is_left_out() -> None:
    rows = in_blocks()
    for place, one in enumerate(rows):
        one["metric_loss"] = math.nan if place == 0 else 0.5 + 0.01 * place
    found = study(rows, "metric_loss")
    assert only(found).found.n == 7
    assert "metric_loss: left out 1 of alone without that figure" in found.notes


def test_what_may_be_below_zero_is_compared_by_differences_whatever_its_values() -> None:
    rows = [{**r, "marginal_joules": r["total_joules"]} for r in in_blocks()]
    assert only(study(rows, "marginal_joules")).ratio is None
    table = {one.measure: one for one in study(rows, "total_joules", "marginal_joules").comparisons}
    assert table["total_joules"].ratio is not None


def test_figures_of_zero_and_below_are_compared_by_their_differences() -> None:
    rows = [{**r, "marginal_joules": r["total_joules"] - 1000} for r in in_blocks()]
    found = study(rows, "marginal_joules", margin=0.05)
    one = only(found)
    assert (one.ratio, one.margin) == (None, None)
    theirs = stats.ttest_rel(BESIDE, ALONE)
    assert one.found.p == pytest.approx(theirs.pvalue)
    assert one.found.mean == pytest.approx(np.mean(BESIDE) - np.mean(ALONE))
    assert "J more marginal_joules than alone (95 % interval of the difference" in words(found)
    assert "the margin, a share, is not applied" in words(found)


def test_trends_and_lines_on_all_trainings_are_corrected_in_families_of_their_own() -> None:
    random, rows = Random(5), []
    for model in ("a", "b", "c"):
        for _ in range(9):
            lr = random.random()
            rows.append(
                row(
                    1000 * (1 + 0.3 * lr * (model == "a")) * random.lognormvariate(0, 0.02),
                    10.0 * len(rows),
                    model=model,
                    hyperparam_lr=lr,
                )
            )
    found = correlate_rows(rows, "lr", ["total_joules"], CompareOptions())
    assert [one.family_size for one in found.correlations] == [3, 3, 3]
    ps = sorted(one.p or 0.0 for one in found.correlations)
    adjusted = sorted(one.p_adjusted or 0.0 for one in found.correlations)
    assert adjusted[0] == pytest.approx(min(1, 3 * ps[0]))
    assert adjusted[1] == pytest.approx(min(1, max(3 * ps[0], 2 * ps[1])))
    assert "for 3 trends" in words(found)


def test_margins_of_lines_on_all_trainings_are_corrected_too() -> None:
    rows = []
    for condition, effect in (("alone", 1.0), ("b1", 1.02), ("b2", 1.021), ("b3", 1.019)):
        for model in ("m1", "m2", "m3", "m4"):
            for one in in_blocks():
                if one["condition"] == "alone":
                    change = effect * (
                        1
                        + 0.004
                        * (len(condition + model) % 3 - 1 + int(model[1]) % 2)
                        * (effect > 1)
                    )
                    rows.append(
                        {
                            **one,
                            "condition": condition,
                            "model": model,
                            "campaign": model,
                            "mode": "mutation" if condition == "alone" else "parallel",
                            "experiment_id": one["experiment_id"] + condition + model,
                            "total_joules": one["total_joules"] * change,
                        }
                    )
    found = study(rows, margin=0.05)
    assert {one.family_size for one in found.overalls} == {3}
    assert all(one.margins is not None for one in found.overalls)


def test_trainings_together_have_a_line_for_these_and_one_for_others_like_them() -> None:
    rows = [
        {**r, "model": model, "campaign": model, "experiment_id": model + r["experiment_id"],
         "total_joules": r["total_joules"] * (factor if r["condition"] != "alone" else 1)}
        for model, factor in (("a", 1.0), ("b", 1.1), ("c", 1.3))
        for r in in_blocks()
    ]  # fmt: skip
    found = study(rows)
    (line,) = document(found)["overall"]
    logs = [math.log(1.035238 * factor) for factor in (1.0, 1.1, 1.3)]
    theirs = stats.ttest_1samp(logs, 0).confidence_interval()
    ratio = line["ratio"]
    assert (ratio["low"], ratio["high"]) == pytest.approx(
        (math.exp(theirs.low), math.exp(theirs.high)), rel=1e-5
    )
    assert line["these"]["high"] - line["these"]["low"] < 0.1 * (ratio["high"] - ratio["low"])
    assert (line["trainings"], line["verdict"], line["family_size"]) == (3, "open", 1)
    assert "for trainings like these 16 % less to 62 % more" in line["sentence"]
    assert {one.family_size for one in found.comparisons} == {3}


def test_unequal_spreads_and_sizes_rarely_make_a_claim_of_nothing() -> None:
    random, false = Random(7), 0
    for _ in range(400):
        rows = [row(random.lognormvariate(7, 0.04), 20.0 * k) for k in range(20)]
        rows += [beside(random.lognormvariate(7, 0.16), 80.0 * k + 9) for k in range(5)]
        false += only(study(rows)).verdict == "differs"
    assert false <= 36  # 5 % of 400 are 20; of a true 5 % so many or more are 1 in 2,000


# -- meters --------------------------------------------------------------------------------------


def sides(
    a: float,
    b: float,
    uncertainty: float,
    own: float,
    *,
    other: bool = False,
    n: int = 4,
    share: float = 0.0,
) -> tuple[Side, Side]:
    """n runs each; *share*: a stated share of the joules that is common to both."""
    found = []
    for name, joules, card in (("a", a, "GPU-1"), ("b", b, "GPU-2" if other else "GPU-1")):
        band = {"uncertainty_joules": uncertainty + share * joules, "own_joules": own}
        columns = {
            f"{kind}_{part}": value for kind in ("total", "gpu") for part, value in band.items()
        }
        found.append(Side(name, [row(joules, k, gpu_uuids=card, **columns) for k in range(n)]))
    return found[0], found[1]


def test_what_both_sides_share_cancels_but_for_what_they_differ_by() -> None:
    """Integrated power, 5 % stated, edges of 5 J a run: 25 J, not 1,025."""
    meter = meter_of(*sides(10_000, 10_300, 5.0, 5.0, share=0.05), "total_joules")
    assert meter is not None
    assert (meter.edges, meter.common, meter.method) == (10.0, pytest.approx(15.0), "one machine")
    assert meter.share == pytest.approx(1.03 * (5 / 10_000 + 5 / 10_300))  # of a ratio, edges alone


def test_cards_that_were_not_held_against_each_other_are_five_per_cent_apart() -> None:
    meter = meter_of(*sides(10_000, 10_300, 5.0, 5.0, other=True), "total_joules")
    assert meter is not None
    assert (meter.edges, meter.common) == (10.0, pytest.approx(0.05 * 20_300))
    rows = [
        {**r, "gpu_uuids": "GPU-1" if r["condition"] == "alone" else "GPU-2"} for r in in_blocks()
    ]
    found = study(rows)
    assert only(found).beyond_meters is False
    assert "But the meters alone may shift it by" in words(found)
    assert any("5 % from card to card" in note for note in found.notes)


def test_a_mix_of_domains_that_changes_shifts_a_ratio() -> None:
    columns = {
        "cpu_package_uncertainty_joules": 0.0, "cpu_package_own_joules": 0.0,
        "gpu_own_joules": 0.0, "total_own_joules": 0.0,
    }  # fmt: skip
    found = []
    for name, cpu, gpu in (("a", 500.0, 500.0), ("b", 500.0, 1500.0)):
        of = {
            "cpu_package_joules": cpu, "gpu_joules": gpu, "gpu_uncertainty_joules": 0.05 * gpu,
            "total_uncertainty_joules": 0.05 * gpu, **columns,
        }  # fmt: skip
        found.append(Side(name, [row(cpu + gpu, 1.0, **of)]))
    meter = meter_of(found[0], found[1], "total_joules")
    assert meter is not None
    assert (meter.edges, meter.common) == (0.0, pytest.approx(0.05 * 1000))
    assert meter.share == pytest.approx(2 * 0.05 * (0.75 - 0.5))


def test_results_that_do_not_tell_their_own_part_are_compared_by_whole_bands() -> None:
    a, b = sides(100, 200, 7.0, 2.0)
    for one in b.rows:
        one["total_own_joules"] = one["gpu_own_joules"] = None
    meter = meter_of(a, b, "total_joules")
    assert meter is not None
    assert (meter.edges, meter.common, meter.method) == (14.0, 0.0, "whole bands")
    b.rows[0]["total_uncertainty_joules"] = None
    assert meter_of(a, b, "total_joules") is None


def test_an_estimate_shows_no_difference_beyond_the_meters() -> None:
    rows = in_blocks()
    for one in rows:
        one |= {
            "energy_measured": False,
            "total_uncertainty_joules": one["total_joules"] + 1,
            "gpu_uncertainty_joules": one["total_joules"] + 1,
        }
    assert only(study(rows)).beyond_meters is False


def test_a_difference_of_means_of_one_machine_is_within_what_is_said_of_it() -> None:
    """A counter that shows energy 0.1 s late, which is not known of it: all runs lose alike."""
    random, counter = Random(4), Counter(0.1, 0.05, delay=0.1)
    for _ in range(12):
        found, offs = [], []
        for name, load in (("a", "full"), ("b", "beside")):
            runs = [simulated_run(GPU, counter, load, random) for _ in range(4)]
            offs.append([(one.span.joules or 0.0) - one.truth for one in runs])
            bands = [
                {
                    f"{kind}_{part}_joules": value
                    for kind in ("total", "gpu")
                    for part, value in (
                        ("uncertainty", one.span.uncertainty_joules),
                        ("own", one.span.own_joules),
                    )
                }
                for one in runs
            ]
            found.append(
                Side(
                    name,
                    [
                        row(one.span.joules or 0.0, k, **band)
                        for k, (one, band) in enumerate(zip(runs, bands, strict=True))
                    ],
                )
            )
        meter = meter_of(found[0], found[1], "total_joules")
        assert meter is not None
        assert abs(np.mean(offs[1]) - np.mean(offs[0])) <= meter.whole


# -- words ---------------------------------------------------------------------------------------


def blocks_of(*ratios: float) -> list[Row]:
    return in_blocks(
        [1000.0 + 50 * k for k in range(len(ratios))],
        [(1000.0 + 50 * k) * r for k, r in enumerate(ratios)],
    )


@pytest.mark.parametrize(
    ("ratios", "verdict", "said"),
    [
        ((1.08, 1.09, 1.07, 1.10), "more than the margin", "): more than 5 %."),
        ((0.90, 0.91, 0.89, 0.92), "less by more than the margin", "): less by more than 5 %."),
        ((1.030, 1.031, 1.029, 1.028), "differs, within the margin", "shown, and no more than 5 %"),
        ((1.04, 1.06, 1.05, 1.05), "differs", "; whether by more than 5 % is open."),
        ((1.00, 1.004, 0.997, 1.001), "alike within the margin", "energy no more than 5 % apart"),
        ((1.00, 0.9, 0.97, 1.02), "no more than the margin", "(95 %, one-sided; "),
        ((0.93, 0.94, 0.99, 0.90, 0.99), "differs", "; whether by more than 5 % is open."),
        ((0.95, 0.99, 0.93, 0.985), "no more than the margin", "): no more than 5 % more."),
        ((1.00, 1.2, 0.9, 1.1), "open", "Nothing is settled for beside two: between"),
    ],
)  # fmt: skip
def test_each_verdict_has_its_sentence(ratios: tuple[float, ...], verdict: str, said: str) -> None:
    found = study(blocks_of(*ratios), margin=0.05)
    assert only(found).verdict == verdict
    assert said in words(found)
    differs = verdict.startswith(("more", "less", "differs"))
    assert only(study(blocks_of(*ratios))).verdict == ("differs" if differs else "open")


def test_an_open_comparison_says_its_interval_and_how_many_blocks_would_tell() -> None:
    text = words(study(blocks_of(1.0, 1.06, 0.98, 1.03)))
    assert "Beside two: between" in text
    assert "To show a difference of 5 % takes " in text
    wide = words(study(blocks_of(1.0, 5.0, 0.3)))
    assert "times the total energy of alone" in wide


def test_a_plan_is_for_p_as_it_is_corrected() -> None:
    rows = blocks_of(1.0, 1.06, 0.98, 1.03)
    more = [
        {**r, "condition": f"b{n}", "experiment_id": f"{r['experiment_id']}b{n}"}
        for n in range(3)
        for r in rows
        if r["condition"] != "alone"
    ]
    alone, together = only(study(rows)), study([*rows, *more])
    first = next(one for one in together.comparisons if one.b.name == "beside two")
    assert (alone.family_size, first.family_size) == (1, 4)
    assert (first.needed(0.05) or 0) > (alone.needed(0.05) or 0) > 0


def test_numbers_of_where_are_numbers() -> None:
    rows = [{**r, "hyperparam_lr": 0.12345678901234} for r in in_blocks()]
    assert len(filtered(rows, [("lr", "0.12345678901234")])) == 16
    assert filtered(rows, [("lr", "0.2")]) == []


def test_a_verdict_that_hangs_on_one_block_says_so() -> None:
    below = words(study(blocks_of(1.05, 1.05, 1.051, 0.99, 1.049)))
    assert "without block 1 no difference would be shown" in below
    assert "without block" not in words(study(in_blocks()))


def test_the_methods_say_what_was_done() -> None:
    rows = [{**r, "seed": 1, "energyctl": "1.2"} for r in in_blocks()]
    warm = row(1.0, 1.0, warm_up=True)
    text = methods_text(study([warm, *rows], margin=0.05))
    for part in (
        "Each of n = 8 blocks held", "drawn with seed 1; 1 warm-up run was not analysed",
        "by Student's t (7 degrees of freedom)", "an exact sign-flip test agreed",
        "The margin of 5 % was tested by one-sided tests at 5 %", "Energies are of GPUs",
        "0 of 16 runs failed. energyctl 1.2.",
    ):  # fmt: skip
        assert part in text
    assert "Welch's t" in methods_text(study(one_after_the_other(4, 0.1)))
    assert "calibration common to all runs of a machine cancels" in text
    estimated = methods_text(study([{**r, "energy_measured": False} for r in rows]))
    assert "a part of them is estimated" in estimated
    assert "cancels" not in estimated


def test_the_rank_correlation_is_that_of_a_published_example() -> None:
    # Hollander and Wolfe, table 8.1: lightness of tuna and the panel's score.
    lightness = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1]
    panel = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8]
    found = correlate(lightness, panel, "panel", "lightness", CompareOptions())
    assert found.rho.value == pytest.approx(stats.spearmanr(lightness, panel).statistic)
    assert found.p == pytest.approx(0.0968, abs=0.02)  # R's cor.test, exact


def test_latex_takes_any_name() -> None:
    assert escaped("a_b & 5 % {x} \\ ~^#$\n") == (
        r"a\_b \& 5 \% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$ "
    )


# -- the command -------------------------------------------------------------------------------


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`energyctl compare` in this process: to import SciPy anew each time takes seconds."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        code = cli.run(["-C", str(tmp_path), "compare", *arguments])
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def test_two_campaigns_are_compared_for_people_programs_and_papers(tmp_path: Path) -> None:
    write_runs(tmp_path / "solo", "mutation", [100.0, 101, 102, 103, 104, 105])
    b = write_runs(tmp_path / "loaded", "parallel", [131.0, 132, 133, 134, 135, 136])
    for number, path in enumerate(sorted(b.glob("*.json"))):  # other ids
        text = path.read_text().replace("20300317", "20300318")
        path.with_name(path.name.replace("20300317", "20300318")).write_text(text)
        path.unlink()
        assert number < 6
    shown = run(tmp_path, "solo", "loaded")
    assert shown.returncode == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    words = " ".join(shown.stdout.split())
    assert "Loaded: 30 % more total energy than solo" in words
    assert "values were drawn anew in each group (lr): by chance alone up to 2.1 % (95 %)" in words
    document = json.loads(run(tmp_path, "solo", "loaded", "--json").stdout)
    first = document["comparisons"][0]
    assert (first["measure"], first["a"]["n"], first["verdict"]) == ("total_joules", 6, "differs")
    assert first["p_rank"] == pytest.approx(2 / 924)
    latex = run(tmp_path, "solo", "loaded", "--latex").stdout
    assert "loaded against solo & 6 and 6 & $+30.3$ ($+2" in latex
    assert "\\pm$ is not used" in latex
    assert latex.rstrip().endswith("\\end{tabular}\n}")


def compiles(folder: Path, table: str, place: str) -> None:
    """In a paper of two columns, set by pdflatex; and it fits."""
    source = (
        "\\documentclass[twocolumn]{article}\n\\usepackage{array,booktabs}\n\\begin{document}\n"
        f"\\begin{{{place}}}\n{table}\n\\end{{{place}}}\n\\end{{document}}\n"
    )
    (folder / "table.tex").write_text(source, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    wide = re.findall(r"Overfull .hbox \((.*)pt too wide", done.stdout)
    assert max(map(float, wide), default=0.0) < 1.0


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
@pytest.mark.parametrize(
    ("arguments", "place"), [(["--latex"], "table"), (["--latex", "--wide"], "table*")]
)
def test_tables_for_papers_compile_and_fit(
    tmp_path: Path, arguments: list[str], place: str
) -> None:
    for number, one in enumerate(in_blocks(), 1):
        alone = one["condition"] == "alone"
        training = {
            "repo": "front", "model": "small_with_100%_more", "success": True, "duration": 60.0,
            "hyperparameters": {"lr": one["block"]}, "performance_metrics": {},
            "attempts": [{"attempt": 0, "start": one["started"], "end": one["started"] + 60}],
        }  # fmt: skip
        write_runs(
            tmp_path / "results", one["mode"], [one["total_joules"]], block=one["block"],
            condition="alone" if alone else "beside large & two others", foreground_result=training,
            environment={"hostname": "node", "run": {"index": number, "repetition": one["block"]}},
        )  # fmt: skip
    latex = run(tmp_path, "--by", "condition", "--margin", "5%", *arguments).stdout
    assert "3.52" in latex
    compiles(tmp_path, latex, place)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
@pytest.mark.parametrize(
    ("arguments", "place"), [(["--latex"], "table"), (["--latex", "--wide"], "table*")]
)
@pytest.mark.parametrize("by", ["condition", "lr"])
def test_tables_of_long_names_and_of_trends_fit(
    tmp_path: Path, by: str, arguments: list[str], place: str
) -> None:
    trainings = (
        ("energyctl_examples", "resnet152_pretrained_on_imagenet21k_finetuned"),
        ("hf", "bert-base-uncased-whole-word-masking"),
        ("a", 'VisionTransformerWithoutAnyBreak "b"'),
    )
    quiet = "beside transformers/run_glue_bert_large + 2 × energyctl_examples/mnist"
    conditions = ("alone",) if by == "lr" else ("alone", quiet)
    for size, (repository, model) in enumerate(trainings):
        for number, condition in enumerate(conditions):
            folder = tmp_path / "results"
            there = {*folder.glob("*.json")}
            joules = [10.0 ** (3 + 3 * size) * (1 + 0.3 * number + 0.01 * n) for n in range(8)]
            write_runs(folder, "mutation", joules, condition=condition)
            for path in {*folder.glob("*.json")} - there:
                data = json.loads(path.read_text())
                data["foreground_result"] |= {"repo": repository, "model": model}
                path.write_text(json.dumps(data))
    latex = run(tmp_path, "--by", by, *arguments).stdout
    assert latex.count("\\end{tabular}") == 1
    assert "$$" not in latex
    compiles(tmp_path, latex, place)


def held_down(**seconds: float) -> list[dict[str, object]]:
    """The phases of a run whose GPU was held down for so many of its 10 s."""
    state = {"gpus": {"gpu-0": {"looks": 3, "limited_seconds": seconds}}, "cpus": {}}
    return [{"name": "foreground", "start": 10.0, "end": 20.0, "state": state}]


def test_groups_that_were_not_throttled_alike_are_compared_with_a_word_on_it(
    tmp_path: Path,
) -> None:
    results = tmp_path / "results"
    write_runs(results, "mutation", [100.0, 101.0, 102.0], phases=held_down(heat=0.0))
    write_runs(results, "parallel", [150.0, 151.0], phases=held_down(heat=0.0, power_cap=9.0))
    write_runs(results, "parallel", [152.0], phases=held_down(heat=0.05))
    found = run(tmp_path, "results", "--by", "background", "--json")
    below = json.loads(found.stdout)["comparisons"][0]["below"]
    (note,) = [line for line in below if "throttled" in line]
    assert "(gpu-0 power_cap): 0 of 3 runs against 2 of 3; a part of the difference" in note


def test_groups_are_made_by_a_value_and_many_values_are_a_trend(tmp_path: Path) -> None:
    write_runs(tmp_path / "results", "mutation", [100.0, 101, 102, 103])
    write_runs(tmp_path / "results", "parallel", [131.0, 132, 133, 134])
    grouped = json.loads(run(tmp_path, "--by", "background", "--json").stdout)["comparisons"][0]
    assert (grouped["a"]["name"], grouped["b"]["name"]) == ("alone", "beside a background")
    per = json.loads(
        run(
            tmp_path, "--by", "background", "--per", "epochs", "--measure", "gpu_joules", "--json"
        ).stdout
    )["comparisons"]
    assert (len(per), per[0]["a"]["mean"], per[0]["a"]["band"]) == (1, 10.15, 0.1)
    trend = run(tmp_path, "--by", "lr", "--measure", "duration_seconds")
    assert "a trend is looked for, not groups" in " ".join(trend.stdout.split())
    turned = run(tmp_path, "--by", "background", "--base", "beside a background")
    assert "fewer" not in turned.stderr
    assert "alone against beside a background" in " ".join(turned.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results"], "name two groups"),
        (["results", "results"], "are in both groups"),
        (["--by", "nothing"], "no run has it; there are background"),
        (["--by", "epochs"], "all runs have 10"),
        (["--by", "mode", "--where", "epochs"], "write NAME=VALUE"),
        (["--by", "mode", "--where", "speed=1"], "no run has speed"),
        (["--by", "mode", "--measure", "speed"], "no such figure of a run"),
        (["--by", "mode", "--per", "campaign"], "no run has it as a number above 0"),
        (["--by", "mode", "--base", "other"], "no such group; there are mutation, parallel"),
        (["--by", "mode", "--json", "--latex"], "choose one"),
        (["--by", "mode", "--latex", "--methods"], "choose one"),
        (["--by", "mode", "--wide"], "--wide goes with --latex"),
        (["--by", "mode", "--margin", "5"], "is no percentage above 0, as 5%"),
        (["--by", "mode", "--margin", "much"], "is no percentage above 0"),
        (["--by", "mode", "--measure", "cpu_dram_joules"], "nothing can be compared"),
        (["nowhere", "results"], "no such file or folder"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(tmp_path / "results", "mutation", [100.0, 101])
    write_runs(tmp_path / "results", "parallel", [131.0, 132])
    assert cli.run(["-C", str(tmp_path), "compare", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_group_of_which_nothing_is_left_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(tmp_path / "good", "mutation", [1.0, 2.0])
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "a.json").write_text('{"schema": 1, "exp')
    assert cli.run(["-C", str(tmp_path), "compare", "cut", "good"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[1].startswith("energyctl: cut: no run of it is left to compare")


def test_results_that_tell_their_own_part_and_their_machine_share_the_rest(tmp_path: Path) -> None:
    for mode, joules in (("mutation", 100.0), ("parallel", 131.0)):
        write_runs(tmp_path / "results", mode, [joules + i for i in range(6)])
    for path in (tmp_path / "results").glob("*.json"):
        result = json.loads(path.read_text())
        for figures in (result["energy"], *result["energy"]["domains"]):
            figures["own_joules"] = 0.2
        path.write_text(json.dumps(result))
    arguments = ("--by", "background", "--measure", "total_joules", "--json")
    document = json.loads(run(tmp_path, *arguments).stdout)
    (found,) = document["comparisons"]
    meter = found["meter"]
    assert (meter["edges"], meter["common"]) == (pytest.approx(0.4), pytest.approx(0.0))
    assert meter["method"] == "one machine"
    assert any(
        note.startswith("both groups were metered on one machine") for note in document["notes"]
    )


def test_the_energy_to_reach_a_value_is_compared_among_the_runs_that_reached_it(
    tmp_path: Path,
) -> None:
    for mode in ("mutation", "parallel"):
        write_runs(tmp_path / "results", mode, [100.0 + i for i in range(6)])
    for number, path in enumerate(sorted((tmp_path / "results").glob("*.json"))):
        result = json.loads(path.read_text())
        joules = (50.0 if result["mode"] == "mutation" else 70.0) + number / 10
        figures = {"seconds": 5.0, "joules": joules, "uncertainty_joules": 0.5, "own_joules": 0.25}
        if number == 0:
            figures = dict.fromkeys(figures)
        result["reach"] = {"acc": {"value": 0.9, "better": "higher", "missing": None, **figures}}
        path.write_text(json.dumps(result))
    arguments = ("--by", "background", "--measure", "reach_joules_acc")
    document = json.loads(run(tmp_path, *arguments, "--json").stdout)
    (found,) = document["comparisons"]
    assert (found["unit"], found["verdict"]) == ("J", "differs")
    assert sorted((found["a"]["n"], found["b"]["n"])) == [5, 6]
    assert found["meter"]["edges"] == pytest.approx(0.5)
    assert any("left out 1" in note for note in document["notes"])
    assert "energy to reach acc" in run(tmp_path, *arguments).stdout
    seconds = run(tmp_path, "--by", "background", "--measure", "reach_seconds_acc", "--json")
    assert json.loads(seconds.stdout)["comparisons"][0]["unit"] == "s"


def test_conditions_are_compared_without_the_warm_up_runs(tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_runs(results, "mutation", [500.0], condition="alone", warm_up=True)
    write_runs(results, "mutation", [100.0, 101, 102], condition="alone", block=1)
    write_runs(results, "parallel", [131.0, 132, 133], condition="beside two")
    write_runs(results, "parallel", [231.0, 232, 233], background_info={"jobs": []})  # older
    study = json.loads(run(tmp_path, "--by", "condition", "--json").stdout)
    found = [one for one in study["comparisons"] if one["measure"] == "total_joules"]
    pairs = [(one["a"]["name"], one["b"]["name"]) for one in found]
    assert pairs == [("alone", "beside a background"), ("alone", "beside two")]
    assert {one["a"]["mean"] for one in found} == {101}
    assert "left out: 1 warm-up" in study["notes"]
