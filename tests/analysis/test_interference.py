"""Means of pairs over blocks, and what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import energyctl
from energyctl.analysis.interference import Means, document, means_of, sentence, sentences
from energyctl.analysis.interference.means import Mean
from written_results import write_pair

ALONE = (812.4, 1203.9, 655.0, 1490.2, 934.7, 1101.3, 720.8, 1388.6)
BESIDE = (840.1, 1239.4, 684.2, 1541.0, 958.3, 1149.9, 744.0, 1441.7)
"""Energies of eight blocks."""


def write_blocks(folder: Path, blocks: int = 8) -> Path:
    for block, joules in enumerate(zip(ALONE, BESIDE, strict=True), 1):
        if block <= blocks:
            started = 1.8e9 + 1000 * block
            write_pair(folder, block, joules=joules, load_watts=20.0, started=started)
    return folder


def means(folder: Path) -> Means:
    (found,) = means_of(energyctl.load(folder).pairs)
    return found


def test_the_mean_of_a_ratio_is_geometric_with_students_interval(tmp_path: Path) -> None:
    """`scipy.stats.ttest_rel` of the logarithms: 1.035238, 1.029602 to 1.040905."""
    found = means(write_blocks(tmp_path))
    ratio = found.energy_ratio
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx(
        (1.035238, 1.029602, 1.040905), abs=2e-6
    )
    assert (found.n, found.of_blocks, ratio.n) == (8, True, 8)


def test_five_blocks_have_a_wider_interval(tmp_path: Path) -> None:
    ratio = means(write_blocks(tmp_path, 5)).energy_ratio
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx(
        (1.033480, 1.024588, 1.042450), abs=2e-6
    )


def test_the_mean_of_what_is_saved_is_arithmetic(tmp_path: Path) -> None:
    """In each block 18.75 s of the load at 20 W less the energy that was more: 375 J − (B − A)."""
    found = means(write_blocks(tmp_path)).saving_joules
    more = sum(BESIDE) - sum(ALONE)
    assert found.value == pytest.approx(375 - more / 8)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 375 - more / 8 < found.high


def test_the_mean_of_what_was_added_is_arithmetic(tmp_path: Path) -> None:
    """B − 25 s of the load at 20 W: `scipy.stats.t.interval` of these eight."""
    found = means(write_blocks(tmp_path)).marginal_joules
    assert (found.value, found.low, found.high) == pytest.approx(
        (574.825, 307.570, 842.080), abs=0.1
    )


def test_one_block_has_no_interval(tmp_path: Path) -> None:
    found = means(write_blocks(tmp_path, 1))
    assert found.slowdown.value == pytest.approx(1.25)
    assert (found.slowdown.low, found.slowdown.high) == (None, None)
    assert "one block" in str(found.slowdown.missing)
    assert "(1 block, so no interval)" in sentence(found)


def test_pairs_that_share_a_run_alone_count_once(tmp_path: Path) -> None:
    """Ratios 2 and 8 of one run alone are one value, 4."""
    _, beside = write_pair(tmp_path, None, joules=(1000.0, 2000.0))
    beside["experiment_id"] = "again"
    beside["energy"] |= {"total_joules": 8000.0}
    beside["energy"]["domains"][0]["joules"] = 8000.0
    (tmp_path / "again.json").write_text(json.dumps(beside))
    found = means(tmp_path)
    assert (found.n, found.of_blocks) == (1, False)
    assert found.energy_ratio.value == pytest.approx(4.0)


def test_a_run_alone_in_a_pair_of_a_block_and_in_another_counts_once(tmp_path: Path) -> None:
    _, beside = write_pair(tmp_path, 1, joules=(1000.0, 2000.0))
    beside |= {"experiment_id": "later", "block": None}
    beside["energy"]["domains"][0]["joules"] = 8000.0
    (tmp_path / "later.json").write_text(json.dumps(beside))
    assert len(energyctl.load(tmp_path).pairs) == 2
    found = means(tmp_path)
    assert found.n == 1
    assert found.energy_ratio.value == pytest.approx(4.0)
    assert found.energy_ratio.low is None


def test_what_was_added_to_the_load_counts_by_the_run_beside(tmp_path: Path) -> None:
    """The run alone, which two of them share, has no part in it."""
    _, beside = write_pair(tmp_path, None, joules=(1000.0, 2000.0))
    (tmp_path / "again.json").write_text(json.dumps({**beside, "experiment_id": "again"}))
    found = means(tmp_path)
    assert (found.n, found.saving_joules.n, found.marginal_joules.n) == (1, 1, 2)
    for name in (beside["experiment_id"], "again"):
        named = {**beside, "experiment_id": name, "block": 3}
        (tmp_path / f"{name}.json").write_text(json.dumps(named))
    assert means(tmp_path).marginal_joules.n == 1


def test_runs_alone_of_one_earlier_block_stand_for_several(tmp_path: Path) -> None:
    for number in (1, 2):
        alone, beside = write_pair(tmp_path, 1, started=1.8e9 + 1000 * number)
        facts = {**beside["environment"], "journal": "20300318_later"}
        named = {"experiment_id": alone["experiment_id"], "age_seconds": 100.0}
        changed = {**beside, "block": number, "environment": facts, "alone_of": named}
        (tmp_path / f"{beside['experiment_id']}.json").write_text(json.dumps(changed))
    found = means(tmp_path)
    assert (found.n, found.of) == (2, "runs alone")
    assert (found.slowdown.n, found.marginal_joules.n) == (2, 2)
    write_pair(tmp_path, 1, started=1.8e9 + 1000, beside={"experiment_id": "its own"})
    found = means(tmp_path)
    assert (found.n, found.marginal_joules.n) == (2, 3)


def test_conditions_and_trainings_have_means_of_their_own(tmp_path: Path) -> None:
    _, beside = write_pair(tmp_path, 1)
    (tmp_path / "heavy.json").write_text(
        json.dumps({**beside, "experiment_id": "heavy", "condition": "heavy"})
    )
    pairs = energyctl.load(tmp_path).pairs
    found = means_of(sorted(pairs, key=lambda pair: pair.condition))
    assert [(one.training, one.condition, one.n) for one in found] == [
        ("front / small", "heavy", 1), ("front / small", "loaded", 1),
    ]  # fmt: skip
    assert [line.partition(",")[0] for line in sentences(found)] == [
        "Under the condition heavy", "Under the condition loaded",
    ]  # fmt: skip


def test_what_is_not_known_of_some_blocks_is_the_mean_of_the_others(tmp_path: Path) -> None:
    write_pair(tmp_path, 1)
    _, beside = write_pair(tmp_path, 2, started=1.8e9 + 1000, seconds=(20.0, 30.0))
    del beside["background_info"]["jobs"][0]["work"]
    (tmp_path / f"{beside['experiment_id']}.json").write_text(json.dumps(beside))
    found = means(tmp_path)
    assert (found.slowdown.n, found.background_slowdown.n) == (2, 1)
    assert found.background_slowdown.value == pytest.approx(2 / 1.5)


# -- sentences -----------------------------------------------------------------------------------


NOTHING = Mean(0)


def of(
    energy: Mean,
    time: Mean,
    saving: Mean,
    condition: str = "beside demo/noise",
    n: int = 8,
    added: Mean = NOTHING,
) -> Means:
    apart, load = Mean(n, 40_000.0, 39_000.0, 41_000.0), Mean(n, 1.3)
    return Means("front / small", condition, n, True, time, energy, load, added, apart, saving)


RATIO = Mean(8, 1.081, 1.064, 1.098)


def test_a_sentence_says_energy_time_and_what_is_saved() -> None:
    found = of(RATIO, Mean(8, 1.12, 1.1, 1.14), Mean(8, 1200.0, 800.0, 1600.0))
    assert sentence(found) == (
        "Beside demo/noise, the training takes 8.1 % more energy than alone (95 % interval 6.4 to "
        "9.8 %; 8 blocks), and 12 % more time; doing both together saves 1.20 kJ of 40.0 kJ "
        "(3.0 %; 95 % interval of the saving 0.80 to 1.60 kJ) against one after the other."
    )


def test_a_sentence_says_what_was_added_to_the_load_where_it_has_an_interval() -> None:
    added = Mean(8, 21_300.0, 20_900.0, 21_700.0)
    text = sentence(of(RATIO, RATIO, Mean(8, 1200.0), added=added))
    assert text.endswith(
        "one after the other. The training adds 21.30 kJ to the load alone (95 % interval 20.90 to "
        "21.70 kJ): what would be saved without it, and no share."
    )


def test_an_interval_on_both_sides_says_so() -> None:
    found = of(Mean(3, 1.02, 0.99, 1.051), RATIO, Mean(3, -600.0))
    assert "2.0 % more energy than alone (95 % interval 1.0 % less to 5.1 % more; 3 blocks)" in (
        sentence(found)
    )
    assert "doing both together takes 0.6 kJ more than one after the other, of 40.0 kJ (1.5 %)" in (
        sentence(found)
    )


def test_what_is_saved_in_fewer_blocks_says_in_how_many() -> None:
    text = sentence(of(RATIO, RATIO, Mean(6, 1200.0, 800.0, 1600.0)))
    assert "9.8 %; 8 blocks)" in text
    assert "of the saving 0.80 to 1.60 kJ; 6 blocks) against" in text


def test_without_blocks_it_counts_runs_alone(tmp_path: Path) -> None:
    for number in range(2):
        write_pair(tmp_path, None, started=1.8e9 + 1000 * number)
    found = document(energyctl.load(tmp_path).pairing)["means"][0]
    assert (found["n"], found["of"]) == (2, "runs alone")
    assert "; 2 runs alone)" in found["sentence"]


def test_less_is_said_as_less() -> None:
    found = of(Mean(8, 0.9, 0.85, 0.95), RATIO, Mean(0, missing="no work told"))
    text = sentence(found)
    assert "10 % less energy than alone (95 % interval 5.0 to 15 %; 8 blocks)" in text
    assert text.endswith("what doing both together saves is not known (no work told).")


def test_time_alone_is_said_where_energies_are_not_known() -> None:
    nothing = Mean(0, missing="nothing was metered")
    text = sentence(of(nothing, RATIO, nothing, condition="night"))
    assert text.startswith("Under the condition night, the training takes 8.1 % more time than")
    assert "its energy is not compared (nothing was metered)" in text


@pytest.mark.parametrize("word", ["significant", "no difference", "large"])
def test_no_sentence_judges(tmp_path: Path, word: str) -> None:
    assert word not in sentence(means(write_blocks(tmp_path)))


# -- what it takes -------------------------------------------------------------------------------


def test_pairs_need_nothing_beside_energyctl(tmp_path: Path) -> None:
    write_blocks(tmp_path / "results", 2)
    program = (
        "import sys; from energyctl import cli; "
        f"code = cli.run(['-C', {str(tmp_path)!r}, 'attribute', '--json']); "
        "print(sorted({'scipy', 'numpy', 'polars', 'altair'} & set(sys.modules)), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_the_document_has_pairs_means_and_notes(tmp_path: Path) -> None:
    found = document(energyctl.load(write_blocks(tmp_path, 2)).pairing)
    assert list(found) == ["pairs", "means", "notes"]
    pair = found["pairs"][0]
    assert pair["interference"]["background_work"] == {
        "amount": pytest.approx(37.5), "unit": "iterations", "uncertainty": 0.1, "missing": None,
    }  # fmt: skip
    assert pair["domains"]["gpu-0"]["idle_joules"] == pytest.approx(100.0 * 25)
    assert pair["domains"]["gpu-0"]["idle_uncertainty_joules"] == pytest.approx(0.05 * 25)
    assert found["means"][0]["slowdown"]["value"] == pytest.approx(1.25)
