"""Groups of runs compared: figures against SciPy, definitions and published examples."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from energyctl import cli
from energyctl.analysis.compare import CompareOptions, comparison, statistics
from energyctl.analysis.compare.comparison import (
    GroupValues,
    compare,
    compare_strata,
    holm,
    van_elteren,
)
from energyctl.analysis.compare.correlation import correlate
from energyctl.analysis.compare.sentences import overall_sentence, sentence
from energyctl.cli.output.compare import escaped
from written_results import write_runs

SET = CompareOptions()
numbers = st.lists(st.integers(1, 40).map(float), min_size=2, max_size=9)


def values(name: str, *figures: float) -> GroupValues:
    return GroupValues(name, figures, [0.5] * len(figures))


# -- figures -----------------------------------------------------------------------------------


def test_the_rank_test_is_that_of_a_published_example() -> None:
    # Hollander and Wolfe, Nonparametric Statistical Methods, table 4.1: permeability of the human
    # chorioamnion at term and at 12 to 26 weeks; one-sided p = 0.1272, as in R's wilcox.test.
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    p, method = statistics.mann_whitney(early, term)
    assert (p, method) == (pytest.approx(2 * 0.1272, abs=1e-4), "exact")


def test_the_rank_correlation_and_holms_correction_are_those_of_published_examples() -> None:
    # Kendall: Hollander and Wolfe, table 8.1 gives tau; its rho by SciPy. Tuna quality.
    lightness = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1]
    panel = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8]
    found = correlate(lightness, panel, "panel", "lightness", SET)
    assert found.rho.value == pytest.approx(stats.spearmanr(lightness, panel).statistic)
    assert found.p == pytest.approx(0.0968, abs=0.02)  # R's cor.test, exact
    # Holm's own steps for p = 0.01, 0.04, 0.03, 0.005: 0.03, 0.06, 0.06, 0.02.
    one = compare(values("a", 1, 2), values("b", 3, 4), "total_joules", "J", SET)
    many = [comparison.replace(one, p=p) for p in (0.01, 0.04, 0.03, 0.005)]
    assert [c.p_adjusted for c in holm(many)] == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(numbers, numbers)
def test_cliffs_delta_is_its_definition_and_turns_with_the_groups(
    x: list[float], y: list[float]
) -> None:
    pairs = list(itertools.product(x, y))
    defined = (sum(b > a for a, b in pairs) - sum(b < a for a, b in pairs)) / len(pairs)
    found, turned = (statistics.cliffs_delta(*pair, SET) for pair in ((x, y), (y, x)))
    assert found.value == pytest.approx(defined)
    assert turned.value == pytest.approx(-defined)
    assert found.low is not None
    assert found.high is not None
    assert turned.low == pytest.approx(-found.high, abs=1e-6)
    assert -1 <= found.low <= defined + 1e-9 <= found.high + 2e-9 <= 1 + 3e-9


def test_the_interval_of_cliffs_delta_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    truth = 2 * stats.norm.cdf(1 / np.sqrt(2)) - 1  # of N(1, 1) against N(0, 1)
    held = 0
    for _ in range(300):
        found = statistics.cliffs_delta(rng.normal(size=8), rng.normal(1, 1, size=8), SET)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 300 <= 0.99


@pytest.mark.parametrize(("n", "low"), [(2, -0.2287), (5, 0.2854)])
def test_the_interval_of_cliffs_delta_of_groups_that_lie_apart_is_no_point(
    n: int, low: float
) -> None:
    """low: by going through all values of the excess in steps of 0.00001."""
    found = statistics.cliffs_delta(range(n), range(n, 2 * n), SET)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(low, abs=1e-3)
    turned = statistics.cliffs_delta(range(n, 2 * n), range(n), SET)
    assert (turned.low, turned.high) == (-1.0, pytest.approx(-low, abs=1e-3))


def test_the_bootstrap_is_scipys_and_repeats_with_its_seed() -> None:
    x, y = [10.0, 11, 12, 13, 15], [20.0, 21, 24, 25, 29]
    found = statistics.bootstrap((x, y), statistics.difference_of_means, SET)
    again = statistics.bootstrap((x, y), statistics.difference_of_means, SET)
    theirs = stats.bootstrap(
        (x, y), lambda a, b, axis: b.mean(axis=axis) - a.mean(axis=axis),
        rng=np.random.default_rng(0), batch=1000,
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found == again
    assert found.method == "bootstrap, BCa"
    ratio = statistics.bootstrap((x, y), statistics.ratio_of_means, SET)
    assert ratio.value == pytest.approx(np.mean(y) / np.mean(x))
    few = statistics.bootstrap((x[:4], y), statistics.difference_of_means, SET)
    assert (few.low, few.high) == (None, None)
    assert "fewer than 5" in str(few.missing)


def test_the_bootstrap_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(5), 0
    for _ in range(150):
        pair = rng.normal(100, 8, size=12), rng.normal(120, 8, size=12)
        found = statistics.bootstrap(pair, statistics.ratio_of_means, SET)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1.2 <= found.high
    assert 0.9 <= held / 150 <= 0.99


def test_the_band_of_a_group_is_known_where_that_of_each_run_is() -> None:
    assert statistics.summary("a", [1.0, 2.0], [0.1, 0.3]).band == pytest.approx(0.2)
    assert statistics.summary("a", [1.0, 2.0], [0.1, None]).band is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_size_of_an_effect_has_the_published_words(sign: int) -> None:
    deltas = (0.0, 0.146, 0.147, 0.329, 0.33, 0.473, 0.474, 1.0)
    words = [statistics.size_word(sign * delta) for delta in deltas]
    assert words == [w for w in ("negligible", "small", "medium", "large") for _ in range(2)]


def test_ties_of_few_runs_are_gone_through_one_by_one() -> None:
    x, y = [1.0, 2, 2, 3], [2.0, 3, 4, 4, 5]
    ranks = stats.rankdata([*x, *y])
    sums = [sum(ranks[list(chosen)]) for chosen in itertools.combinations(range(9), 4)]
    seen = sum(ranks[:4])
    tails = sum(s <= seen for s in sums), sum(s >= seen for s in sums)
    p, method = statistics.mann_whitney(x, y)
    assert (p, method) == (pytest.approx(2 * min(tails) / len(sums)), "exact, with ties")


def test_the_runs_that_it_takes_are_those_of_published_formulas() -> None:
    # Noether 1987: p'' = 0.7, alpha 0.05 two-sided, power 0.9: N = 88, 44 in each group.
    assert statistics.runs_for_rank_test(0.4, CompareOptions(power=0.9)) == 44
    # Cohen 1988, table 2.4.1: d = 0.5, 0.8, alpha 0.05 two-sided, power 0.8: 64 and 26.
    assert statistics.runs_for_t_test(2.0, 1.0, SET) == 64
    assert statistics.runs_for_t_test(1.0, 0.8, SET) == 26
    # However large the effect: three against three cannot give less than p = 0.1.
    assert statistics.runs_for_rank_test(1.0, SET) == 6
    assert statistics.runs_for_rank_test(1.0, CompareOptions(power=0.1)) == 4
    assert statistics.smallest_p(3, 3) == pytest.approx(0.1)


def test_strata_are_tested_within_themselves() -> None:
    for x, y in (([1.0, 4, 6], [2.0, 7, 9, 10]), ([3.0, 5], [1.0, 9])):
        p, method, _ = van_elteren([(x, y)], SET)  # one stratum: the plain rank test
        assert (p, method) == (pytest.approx(stats.mannwhitneyu(y, x).pvalue), "exact")
    # Each B above its A, at scales that differ a thousandfold: all 6³ arrangements, two extreme.
    pairs = [([1.0, 2], [3.0, 4]), ([1e3, 2e3], [3e3, 4e3]), ([5.0, 6], [7.0, 8])]
    assert van_elteren(pairs, SET) == (pytest.approx(2 / 216), "exact", pytest.approx(2 / 216))
    drawn, method, _ = van_elteren(pairs * 3, SET)
    assert (drawn < 0.001, method) == (True, "20000 random arrangements")
    overall = compare_strata(
        [(values("a", *x), values("b", *y)) for x, y in pairs], "gpu_joules", SET
    )
    assert overall is not None
    ratios = [3.5 / 1.5, 3.5 / 1.5, 7.5 / 5.5]
    assert overall.ratio.value == pytest.approx(stats.gmean(ratios))
    theirs = stats.ttest_1samp(np.log(ratios), 0).confidence_interval()
    bounds = (overall.ratio.low, overall.ratio.high)
    assert bounds == pytest.approx((np.exp(theirs.low), np.exp(theirs.high)))
    assert (overall.least, overall.most) == (pytest.approx(7.5 / 5.5), pytest.approx(3.5 / 1.5))
    text = overall_sentence(overall)
    assert "95 % more energy of the GPUs than a in these 3 trainings" in text
    assert "for other trainings like them" in text


# -- words -------------------------------------------------------------------------------------


def test_three_against_three_is_too_few_whatever_they_show() -> None:
    few = compare(values("a", 1, 2, 3), values("b", 101, 102, 103), "gpu_joules", "J", SET)
    assert few.verdict == "too few"
    text = sentence(few)
    assert text.startswith("Too few runs to say anything")
    assert "p = 0.1" in text
    assert "a difference of this size takes 6 runs in each group" in text


def test_a_clear_difference_and_one_within_the_meters_are_told_apart() -> None:
    a, b = [100.0 + i for i in range(8)], [131.0 + i for i in range(8)]
    clear = compare(values("solo", *a), values("parallel", *b), "total_joules", "J", SET)
    assert sentence(clear).startswith("Parallel: 30 % more total energy than solo, 95 % interval")
    wide = [20.0] * 8
    doubtful = compare(
        GroupValues("solo", a, wide), GroupValues("parallel", b, wide), "gpu_joules", "J", SET
    )
    assert doubtful.beyond_meters is False
    assert sentence(doubtful).endswith("within what the meters may be off by, at the worst.")
    same = compare(values("a", 1, 3, 5, 7), values("b", 2, 4, 6, 8), "gpu_joules", "J", SET)
    assert sentence(same).startswith("No difference is shown")


@settings(max_examples=20, deadline=None)
@given(numbers, numbers)
def test_any_two_groups_have_a_sentence_and_a_document(x: list[float], y: list[float]) -> None:
    found = compare(values("a", *x), values("b", *y), "total_joules", "J", SET)
    assert 0 <= found.p <= 1
    assert sentence(found).endswith(".")


def test_latex_takes_any_name() -> None:
    assert escaped("a_b & 5 % {x} \\ ~^#$\n") == (
        r"a\_b \& 5 \% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$ "
    )


# -- the command -------------------------------------------------------------------------------


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "energyctl", "-C", str(tmp_path), "compare", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "80", "LANG": "C.UTF-8"},
    )


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
    assert "front / small: Loaded: 30 % more total energy than solo" in words
    assert "drawn anew in each run, and part of the spread: lr" in words
    assert "from fewer than 10 runs in a group are too narrow" in words
    document = json.loads(run(tmp_path, "solo", "loaded", "--json").stdout)
    first = document["comparisons"][0]
    assert (first["measure"], first["a"]["n"], first["verdict"]) == ("total_joules", 6, "different")
    assert first["p"] == pytest.approx(2 / 924)
    latex = run(tmp_path, "solo", "loaded", "--latex").stdout
    assert "front / small & 6 / 6 & $102.5 \\pm 1.9$ & $133.5 \\pm 1.9$" in latex
    assert "% note: drawn anew in each run, and part of the spread: lr" in latex
    assert "A, mean $\\pm$ SD (J) & B, mean $\\pm$ SD (J)" in latex
    assert latex.count("\\\\") == 3
    assert latex.rstrip().endswith("\\end{tabular}")


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
