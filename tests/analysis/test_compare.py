"""Groups of runs compared: figures against SciPy, definitions and published examples."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from energyctl import cli
from energyctl.analysis.compare import CompareOptions, comparison, statistics
from energyctl.analysis.compare.comparison import (
    ONE_MACHINE,
    OTHER_MACHINES,
    WHOLE_BANDS,
    GroupValues,
    compare,
    compare_strata,
    holm,
    meter_of,
    van_elteren,
)
from energyctl.analysis.compare.correlation import correlate
from energyctl.analysis.compare.sentences import overall_sentence, sentence
from energyctl.cli.output.compare import escaped
from hardware.simulated import GPU, Counter
from hardware.simulated import run as simulated_run
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


# -- what the meters may be off by -----------------------------------------------------------------


def metered(
    name: str, figures: list[float], band: float, own: float | None, machine: str | None = "one"
) -> GroupValues:
    return GroupValues(name, figures, [band] * len(figures), [own] * len(figures), machine)


def test_on_one_machine_only_what_is_each_runs_own_counts() -> None:
    a, b = metered("a", [100.0] * 4, 7.0, 2.0), metered("b", [200.0] * 9, 8.5, 3.0)
    meter, method = meter_of(a, b)
    assert meter == pytest.approx(2 / 2 + 3 / 3 + (5.5 - 5.0))
    assert method == ONE_MACHINE
    assert meter_of(b, a) == (meter, method)


def test_on_other_machines_what_they_share_and_calibration_count_too() -> None:
    a, b = metered("a", [100.0] * 4, 7.0, 2.0), metered("b", [200.0] * 9, 8.5, 3.0, "two")
    expected = 1 + 1 + 5.0 + 5.5 + 0.05 * 300
    assert meter_of(a, b) == (pytest.approx(expected), OTHER_MACHINES)
    several = metered("b", [200.0] * 9, 8.5, 3.0, None)
    assert meter_of(several, several)[1] == OTHER_MACHINES


def test_results_that_do_not_tell_their_own_part_are_compared_by_whole_bands() -> None:
    a, b = metered("a", [100.0] * 4, 7.0, 2.0), metered("b", [200.0] * 9, 8.5, None)
    assert meter_of(a, b) == (15.5, WHOLE_BANDS)
    unknown = GroupValues("b", [1.0, 2.0], [None, 3.0], [1.0, 1.0], "one")
    assert meter_of(a, unknown) == (None, None)


def test_a_source_that_is_off_by_a_share_does_not_hide_that_one_training_takes_more() -> None:
    """Integrated power, 5 % stated, on one card; an estimate never shows anything for sure."""
    a = [100.0, 101, 102, 103, 104, 105]
    for share, beyond in ((0.05, True), (1.0, False)):
        groups = [
            GroupValues(name, v, [share * x + 0.5 for x in v], [0.5] * 6, "one")
            for name, v in (("a", a), ("b", [x + 4 for x in a]))
        ]
        found = compare(groups[0], groups[1], "gpu_joules", "J", SET)
        assert found.beyond_meters is beyond
    far = [replace(group, machine=group.name) for group in groups]
    assert compare(far[0], far[1], "gpu_joules", "J", SET).beyond_meters is False


def test_a_difference_of_means_of_one_machine_is_within_what_is_said_of_it() -> None:
    """A counter that shows energy 0.1 s late, which is not known of it: all runs lose alike."""
    random, counter = Random(4), Counter(0.1, 0.05, delay=0.1)
    narrow = 0
    for _ in range(12):
        groups = []
        for name, load in (("a", "full"), ("b", "beside")):
            found = [simulated_run(GPU, counter, load, random) for _ in range(4)]
            offs = [(one.span.joules or 0.0) - one.truth for one in found]
            bands = [one.span.uncertainty_joules for one in found]
            groups.append(GroupValues(name, offs, bands, [o.span.own_joules for o in found], "one"))
        meter, _ = meter_of(groups[0], groups[1])
        whole, _ = meter_of(*(replace(group, owns=()) for group in groups))
        assert meter is not None
        assert whole is not None
        difference = np.mean(groups[1].values) - np.mean(groups[0].values)
        assert abs(difference) <= meter
        narrow += meter < 0.6 * whole
    assert narrow == 12


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
    (note,) = [line for line in json.loads(found.stdout)["notes"] if "throttled" in line]
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
    assert found["meter"] == pytest.approx(2 * 0.2 / 6**0.5)
    assert found["meter_method"] == ONE_MACHINE
    assert any(note.startswith("meters on one machine shift both") for note in document["notes"])


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
    assert (found["unit"], found["verdict"]) == ("J", "different")
    assert sorted((found["a"]["n"], found["b"]["n"])) == [5, 6]
    assert found["meter"] == pytest.approx(0.25 / 5**0.5 + 0.25 / 6**0.5)
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
