"""``energyctl plan --power``: how many blocks, from finished ones."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Bench
from energyctl import cli
from energyctl.analysis.compare.planning import blocks_needed, cautious_sd
from energyctl.system.dependencies import extra_install
from written_results import write_pair

ALONE = (6012.4, 6203.9, 5955.0, 6490.2)
LOADED = (6240.1, 6399.4, 6084.2, 6741.0)
SD = float(np.std(np.log(LOADED) - np.log(ALONE), ddof=1))
FRONT = {"repo": "front", "model": "small", "mutate": ["learning_rate"], "runs_per_config": 4}
BACK = {"repo": "back", "model": "large"}


def campaign(folder: Path, name: str, blocks: int, start: float = 0.0, **changes: Any) -> None:
    """Blocks of a run alone and one loaded, as the campaign `load` of that journal."""
    for block in range(blocks):
        joules = ALONE[block], LOADED[block]
        began = 1.8e9 + start + 1000 * block
        scratch = write_pair(folder, block + 1, joules=joules, started=began)
        facts = {**scratch[0]["environment"], "journal": name}
        change = {"environment": facts, "campaign": "load", **changes}
        write_pair(folder, block + 1, joules=joules, started=began, alone=change, beside=change)


@pytest.fixture
def file(bench: Bench) -> str:
    conditions = {"alone": None, "loaded": BACK}
    experiment = {**FRONT, "conditions": conditions}
    return bench.settings(experiment_name="load", experiments=[experiment], seed=1)


def run(bench: Bench, *arguments: str) -> int:
    return cli.run(["-C", str(bench.root), "plan", *arguments])


def document(bench: Bench, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(bench, *arguments, "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    power: dict[str, Any] = json.loads(out)["power"]
    return power


def refused(bench: Bench, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(bench, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return " ".join(err.split())


def test_a_sentence_for_the_condition(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign(bench.root / "results", "20300317_load", 4)
    assert run(bench, file, "--power", "1%") == 0
    shown = capsys.readouterr().out
    cautious = cautious_sd(SD, 4)
    needed = blocks_needed(0.01, cautious)
    assert needed is not None
    assert needed > 4
    assert "how many blocks, by the finished ones of 20300317_load:" in shown
    assert (
        f"loaded against alone: to show a difference of 1 % in 4 of 5 campaigns takes {needed} "
        f"blocks ({needed - 4} more than were run); ratios of the 4 blocks that were run spread by "
        f"{100 * SD:.2g} % (at most {100 * cautious:.2g} %)\n"
    ) in shown


def test_the_document_has_the_figures(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign(bench.root / "results", "20300317_load", 4)
    power = document(bench, capsys, file, "--power", "5%")
    (contrast,) = power.pop("contrasts")
    assert power == {"share": 0.05, "power": 0.8, "alpha": 0.05, "source": "20300317_load"}
    assert contrast.pop("sentence").partition(";")[0].endswith("(the 4 that were run are enough)")
    assert contrast == {
        "training": "front / small",
        "condition": "loaded",
        "base": "alone",
        "n": 4,
        "of": "block",
        "sd": pytest.approx(SD),
        "cautious_sd": pytest.approx(cautious_sd(SD, 4)),
        "needed": 3,
        "missing": None,
    }


def test_without_the_option_the_plan_is_as_it_was(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bench, file, "--json") == 0
    assert "power" not in json.loads(capsys.readouterr().out)


def test_blocks_are_those_of_the_newest_campaign_of_that_name_that_has_some(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = bench.root / "results"
    campaign(results, "20300316_load", 2)
    campaign(results, "20300317_load", 4, 10_000)
    campaign(results, "20300318_load", 3, 20_000, status="failed")
    campaign(results, "20300319_other", 3, 30_000, campaign="other")
    power = document(bench, capsys, file, "--power", "5%")
    assert power["source"] == "20300317_load"
    assert power["contrasts"][0]["n"] == 4


def test_from_names_results(bench: Bench, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Block 1 of one campaign is not block 1 of another."""
    campaign(bench.root / "pilot", "20300101_a", 2)
    campaign(bench.root / "pilot", "20300102_b", 3, 10_000)
    pilot = str(bench.root / "pilot")
    power = document(bench, capsys, file, "--power", "5%", "--from", pilot)
    assert power["source"] is None
    assert power["contrasts"][0]["n"] == 5
    same = document(bench, capsys, file, "--power", "5%", "--results", pilot)
    assert same["source"] == "20300102_b"
    assert run(bench, file, "--power", "5%", "--from", pilot) == 0
    assert "by the finished ones of the named results:" in capsys.readouterr().out
    assert "--from goes with --power" in refused(bench, capsys, file, "--from", pilot)


def test_several_conditions_share_their_alpha(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    results = bench.root / "results"
    campaign(results, "20300317_load", 3)
    heavy = {**BACK, "copies": 2}
    for path in results.glob("*_parallel.json"):
        data = json.loads(path.read_text())
        data["condition"] = "heavy"
        data["experiment_id"] += "_heavy"
        (results / f"{data['experiment_id']}.json").write_text(json.dumps(data))
    conditions = {"alone": None, "loaded": BACK, "heavy": heavy}
    experiment = {**FRONT, "conditions": conditions}
    file = bench.settings(experiment_name="load", experiments=[experiment], seed=1)
    power = document(bench, capsys, file, "--power", "2%")
    assert power["alpha"] == 0.025
    assert [one["condition"] for one in power["contrasts"]] == ["heavy", "loaded"]
    sd = cautious_sd(float(np.std(np.log(LOADED[:3]) - np.log(ALONE[:3]), ddof=1)), 3)
    needed = [one["needed"] for one in power["contrasts"]]
    assert needed == [blocks_needed(0.02, sd, alpha=0.025)] * 2
    assert run(bench, file, "--power", "2%") == 0
    assert "(each of 2 contrasts with p below 0.025: comparing" in capsys.readouterr().out


def test_blocks_of_a_grid_are_counted_by_repetition(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two blocks each, of which the last repetition lacks one."""
    results = bench.root / "results"
    campaign(results, "20300317_load", 4)
    campaign(results, "20300317_load", 3, 10_000)
    for path in results.glob("*.json"):
        data = json.loads(path.read_text())
        cell = int(path.stem.split("_")[1]) // 10_000
        run = {"index": 1, "experiment": 0, "repetition": data["block"]}
        data["environment"]["run"] = run
        data["block"] = 2 * data["block"] - cell
        data["foreground_result"]["hyperparameters"]["batch_size"] = 32 * (1 + cell)
        path.write_text(json.dumps(data))
    (one,) = document(bench, capsys, file, "--power", "5%")["contrasts"]
    assert (one["n"], one["of"]) == (3, "repetition")
    assert one["sd"] == pytest.approx(np.std(np.log(LOADED[:3]) - np.log(ALONE[:3]), ddof=1))
    assert "ratios of the 3 repetitions that were run spread" in one["sentence"]


def test_one_block_and_equal_ones_tell_no_number(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign(bench.root / "results", "20300317_load", 1)
    (one,) = document(bench, capsys, file, "--power", "5%")["contrasts"]
    assert (one["needed"], one["sd"]) == (None, None)
    assert one["sentence"] == (
        "loaded against alone: how many blocks it takes is not known: one block does not show how "
        "much blocks vary"
    )
    monkeypatch.setattr(sys.modules[__name__], "ALONE", (6000.0,) * 4)
    monkeypatch.setattr(sys.modules[__name__], "LOADED", (6300.0,) * 4)
    campaign(bench.root / "results", "20300317_load", 3)
    (equal,) = document(bench, capsys, file, "--power", "5%")["contrasts"]
    assert equal["sentence"].endswith("how many blocks it takes is not known: all blocks are equal")


def test_a_difference_that_no_campaign_tells(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign(bench.root / "results", "20300317_load", 4)
    (one,) = document(bench, capsys, file, "--power", "0.0001%")["contrasts"]
    assert one["needed"] is None
    assert (
        one["sentence"]
        .partition(";")[0]
        .endswith("of 0.0001 % in 4 of 5 campaigns takes more than 100,000 blocks")
    )


def test_no_finished_block(bench: Bench, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    campaign(bench.root / "results", "20300317_load", 2, status="failed")
    said = refused(bench, capsys, file, "--power", "5%")
    assert "no block of these conditions has finished in campaigns named load; run" in said
    said = refused(bench, capsys, file, "--power", "5%", "--from", str(bench.root / "results"))
    assert f"has finished in {bench.root / 'results'}; run some blocks first" in said
    assert "no file, folder or run" in refused(bench, capsys, file, "--power", "5%", "--from", "x")


def test_warm_up_runs_and_halves_of_blocks_are_left_out(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = bench.root / "results"
    campaign(results, "20300317_load", 3)
    campaign(results, "20300317_load", 1, 10_000, warm_up=True)
    first, *_ = sorted(results.glob("*_parallel.json"))
    first.unlink()
    power = document(bench, capsys, file, "--power", "5%")
    assert power["contrasts"][0]["n"] == 2


def test_no_conditions(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    file = bench.settings(experiments=[FRONT])
    campaign(bench.root / "results", "20300317_load", 3)
    assert "no experiment has two of them in blocks" in refused(
        bench, capsys, file, "--power", "5%"
    )


@pytest.mark.parametrize(
    "bad", ["5", "0%", "-5%", "five%", "%", "5%%", "nan%", "inf%", "5 percent"]
)
def test_a_bad_percentage(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    said = refused(bench, capsys, file, "--power", bad)
    assert f"{bad!r} is no percentage above 0, as 5%" in said


def test_without_scipy(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("energyctl.analysis.compare")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    said = refused(bench, capsys, file, "--power", "5%")
    assert f"plan --power needs SciPy: {extra_install('report')}" in said


def test_a_percentage_may_have_a_space(
    bench: Bench, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign(bench.root / "results", "20300317_load", 4)
    assert document(bench, capsys, file, "--power", "2.5 %")["share"] == pytest.approx(0.025)
    assert math.isclose(document(bench, capsys, file, "--power", "100%")["share"], 1)
