"""``energyctl attribute``: which results, what it shows, what it says where there is no pair."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl import cli
from written_results import write_pair, write_runs


def journal(root: Path, name: str, age: float = 0.0) -> None:
    """The first line of a campaign that is over."""
    path = root / "results" / "campaigns" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "event": "campaign", "time": 1.0, "schema": 1, "name": name, "seed": 1,
        "settings_name": "x.json", "settings": "{}", "registry": {}, "rendered": None,
        "workspace": str(root), "invalid": False, "runs": [],
    }  # fmt: skip
    path.write_text(json.dumps(head) + "\n")
    os.utime(path, (path.stat().st_mtime - age,) * 2)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two campaigns of a block each: in that of yesterday the training took 2 of its time."""
    facts = write_pair(tmp_path / "scratch", 1)[0]["environment"]
    for name, seconds, start, age in (("old", 40.0, 0, 1e5), ("new", 25.0, 5000, 0.0)):
        change = {"environment": {**facts, "journal": f"20300317_{name}"}}
        write_pair(
            tmp_path / "results", 1, seconds=(20.0, seconds), started=1.8e9 + start,
            alone=change, beside=change,
        )  # fmt: skip
        journal(tmp_path, f"20300317_{name}", age)
    return tmp_path


def documented(capsys: pytest.CaptureFixture[str], workspace: Path, *names: str) -> Any:
    code = cli.run(["-C", str(workspace), "attribute", *names, "--json"])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return json.loads(out)


def slowdowns(document: Any) -> list[float]:
    return [round(one["interference"]["slowdown"]["value"], 6) for one in document["pairs"]]


def test_without_a_name_it_is_the_newest_campaign(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert slowdowns(documented(capsys, workspace)) == [1.25]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["old"], [2.0]),
        (["20300317_old", "new"], [2.0, 1.25]),
        (["results"], [2.0, 1.25]),
        (["20300317_000000_front_small", "20300317_000100_front_small_parallel"], [2.0]),
        (["old", "results/20300317_005000_front_small.json"], [2.0]),
        (["scratch"], [1.25]),
    ],
)
def test_results_are_campaigns_folders_files_and_ids(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
    expected: list[float],
) -> None:
    monkeypatch.chdir(workspace)
    assert slowdowns(documented(capsys, workspace, *names)) == expected


def test_results_without_a_journal_are_all_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path / "results", 1)
    assert slowdowns(documented(capsys, tmp_path)) == [1.25]


def test_the_terminal_shows_pairs_means_and_what_they_say(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert cli.run(["-C", str(workspace), "attribute"]) == 0
    shown = capsys.readouterr().out
    assert "loaded, block 1" in shown
    assert "1.2500" in shown
    assert "± 0.0011" in shown
    assert "Under the condition loaded, the training takes 67 % more energy than alone" in shown


def test_what_is_not_known_is_a_dash_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, beside = write_pair(tmp_path / "results", 1)
    del beside["background_info"]["jobs"][0]["work"]
    write_pair(tmp_path / "results", 1, beside=beside)
    assert cli.run(["-C", str(tmp_path), "attribute"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "figures of 1 pair are not known: background back_large, of the load alone" in shown


def refused(capsys: pytest.CaptureFixture[str], workspace: Path, *names: str) -> str:
    """The one line on standard error."""
    assert cli.run(["-C", str(workspace), "attribute", *names]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def test_without_a_pair_it_says_why_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(tmp_path / "results", "default", [100.0, 200.0])
    line = refused(capsys, tmp_path)
    assert "there is no pair of a run beside a background and one alone" in line
    assert "in no pair: 2 runs alone: there is no run beside a background of" in line
    assert "`conditions` in the settings file" in line


def test_a_name_of_nothing_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, workspace, "nightly")
    assert "nightly: no file, folder or run of that name, and no campaign 'nightly'" in line
    assert "20300317_new" in line


def test_a_result_that_cannot_be_read_is_named_and_the_code_is_1(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "results" / "broken.json").write_text("{")
    assert cli.run(["-C", str(workspace), "attribute"]) == 1
    shown = capsys.readouterr()
    assert "broken.json" in shown.err
    assert "block 1" in shown.out


def test_no_name_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pair(tmp_path / "results", 1, condition="\x1b[31mred\u202e")
    assert cli.run(["-C", str(tmp_path), "attribute"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "red?" in shown


# -- where else pairs are shown ------------------------------------------------------------------


def test_the_report_says_what_pairs_say(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["-C", str(workspace), "report"]) == 0
    assert "Under the condition loaded, the training takes" in capsys.readouterr().out
    page = workspace / "page.html"
    assert cli.run(["-C", str(workspace), "report", "--html", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    section = html[html.index('id="s-pairs"') : html.index('id="h-runs"')]
    assert "Under the condition loaded, the training takes" in section
    assert "loaded, block 1<br>20300317_000100_front_small_parallel<br>20300317_0000" in section
    assert section.count("<tr>") == 1 + 1 + 1 + 2


def test_a_page_without_pairs_has_no_such_section(tmp_path: Path) -> None:
    write_runs(tmp_path / "results", "default", [100.0])
    page = tmp_path / "page.html"
    assert cli.run(["-C", str(tmp_path), "report", "--html", str(page)]) == 0
    assert "s-pairs" not in page.read_text(encoding="utf-8")


def test_compare_of_conditions_points_to_pairs(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["-C", str(workspace), "compare", "--by", "background"]) == 0
    assert "energyctl attribute" in capsys.readouterr().out
    write_runs(workspace / "others", "default", [1.0, 2.0, 3.0])
    write_runs(workspace / "others", "parallel", [2.0, 3.0, 4.0])
    name = str(workspace / "others")
    assert cli.run(["-C", str(workspace), "compare", name, "--by", "background"]) == 0
    assert "energyctl attribute" not in capsys.readouterr().out


# -- runs of this machine ------------------------------------------------------------------------


def test_a_run_beside_a_background_finds_its_partner_in_another_campaign(bench: Bench) -> None:
    values = {"hyperparameters": {"seconds": 1.0}}
    alone = {"repo": "front", "model": "small", "mode": "default", **values}
    for name in (bench.settings("alone.json", experiments=[alone]), bench.parallel("x.json")):
        assert bench.run("run", f"settings/{name}").returncode == 0
    (beside,) = (one for one in bench.results() if one["background_info"])
    (apart,) = (one for one in bench.results() if not one["background_info"])
    done = bench.look("attribute", "results", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    (pair,) = found["pairs"]
    assert (pair["beside"], pair["block"]) == (beside["experiment_id"], None)
    assert pair["condition"] == "beside back/large"
    figures = pair["interference"]
    seconds = [one["foreground_result"]["duration"] for one in (beside, apart)]
    assert figures["slowdown"]["value"] == pytest.approx(seconds[0] / seconds[1])
    assert figures["energy_ratio"]["value"] > 0
    assert any("not of one block" in line for line in found["notes"])
    # Of the newest campaign, which holds no run alone, there is no pair.
    done = bench.look("attribute")
    assert done.returncode == 2
    assert "beside a background: there is no run alone of front / small" in done.stderr
