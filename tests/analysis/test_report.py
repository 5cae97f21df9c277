"""The page of a campaign: what is packed into it, and what a real browser makes of it."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import energyctl
from benchmarks.report import write_result
from energyctl import cli
from energyctl.analysis.report.page import data as page_data
from energyctl.analysis.report.run_data import TIME_STEP, content, packed, series
from energyctl.analysis.report.run_tables import facts
from energyctl.analysis.report.summary import grouped
from energyctl.system.dependencies import extra_install
from report_checks import CONTRAST, FITTING
from written_results import write_runs

EVIL = "</script><script>window.evil=1</script><img src=x onerror='window.evil=1'>\u2028\"&第\u202e"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight runs of a minute with series, and one that an evil hand made."""
    folder = tmp_path_factory.mktemp("report") / "results"
    folder.mkdir()
    draw = random.Random(2)
    for number in range(8):
        write_result(folder, number, 60, draw)
    write_runs(folder, "mutation", [2500.0], warnings=[EVIL], campaign=EVIL, status="failed")
    path = next(folder.glob("2030*.json"))
    data = json.loads(path.read_text())
    data["foreground_result"] |= {"error": EVIL, "repo": EVIL, "hyperparameters": {EVIL: EVIL}}
    data["energy"] |= {"total_joules": None, "measured": False}
    data["energy"]["domains"][0] |= {"joules": None, "missing": f"it hung {EVIL}"}
    path.write_text(json.dumps(data))
    return folder


@pytest.fixture(scope="module")
def page(results: Path) -> Path:
    made = results.parent / "page.html"
    (results / "broken.json").write_text("{")
    assert cli.run(["-C", str(results.parent), "report", "--html", str(made)]) == 1
    return made


# -- without a browser -------------------------------------------------------------------------


def unpacked(columns: Mapping[str, Any], values: Sequence[str]) -> list[dict[str, Any]]:
    """What page.js makes of a series."""
    rows, steps = list[dict[str, Any]](), 0
    for index, step in enumerate(columns["t"]):
        steps += step
        row: dict[str, Any] = {"seconds": steps * TIME_STEP}
        for name in values:
            value = columns[name]["v"][index]
            row[name] = None if value is None else value * columns[name]["scale"]
        rows.append(row)
    return rows


rows = st.lists(
    st.tuples(st.floats(0, 1e5), st.one_of(st.none(), st.floats(-1e4, 1e4))), min_size=1
)


@given(rows)
def test_a_series_comes_back_from_the_page_as_it_was(
    points: list[tuple[float, float | None]],
) -> None:
    given_rows = [
        {"seconds": t, "gpu": "0", "watts": w} for t, w in sorted(points, key=lambda p: p[0])
    ]
    back = unpacked(series(given_rows, "gpu", ("watts",))["0"], ("watts",))
    most = max((abs(w) for _, w in points if w is not None), default=0.0)
    for before, after in zip(given_rows, back, strict=True):
        assert after["seconds"] == pytest.approx(before["seconds"], abs=0.0251)
        if before["watts"] is None:
            assert after["watts"] is None
        else:
            assert after["watts"] == pytest.approx(before["watts"], abs=most / 3_999 + 1e-12)


def test_no_peak_of_an_hour_is_lost_and_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    write_result(tmp_path, 1, 3600, random.Random(1))
    series_file = next(tmp_path.glob("energy_*")) / "gpu_power.csv"
    lines = series_file.read_text().splitlines()
    cells = lines[4001].split(",")
    lines[4001] = ",".join((cells[0], cells[1], "1234.5", cells[3]))
    series_file.write_text("\n".join(lines) + "\n")
    run = energyctl.load(tmp_path)[0]
    whole = content(run)
    gpu = unpacked(whole["power"][f"gpu-{cells[1]}"], ("watts",))
    assert max(row["watts"] or 0 for row in gpu) == pytest.approx(1234.5, rel=1e-3)
    assert len(gpu) < 1000
    assert packed(run) == packed(run)
    assert len(packed(run)) < 28_000  # of 15 MB for 500


def test_the_page_gets_its_words_and_figures_made(tmp_path: Path) -> None:
    draw = random.Random(1)
    write_result(tmp_path, 1, 30, draw)
    write_result(tmp_path, 2, 60, draw)
    path = next(tmp_path.glob("run0001*.json"))
    data = json.loads(path.read_text())
    data["energy"] |= {"total_joules": 950.0, "uncertainty_joules": 4.0, "seconds": 183_600.0}
    data["background_info"]["jobs"][0] |= {"coverage": None, "missing": {"coverage": "no ledger"}}
    did = {"phase": "foreground", "seconds": 30.0, "unit": "steps", "uncertainty": 1.25}
    data["background_info"]["jobs"][0]["work"] = [did | {"amount": 812.0}]
    path.write_text(json.dumps(data))
    runs = energyctl.load(tmp_path)
    page = page_data(runs)
    names = [column["name"] for column in page["columns"]]
    first, second = (dict(zip(names, run["cells"], strict=True)) for run in page["runs"])
    assert first["energy"] == "0.9500 ± 0.0040 kJ"
    assert second["energy"].endswith(" kJ")
    assert first["time"] == "2 d 03 h"
    assert (first["covered"], second["covered"]) == (None, "99.5 %")
    tables = {table["title"]: table for table in facts(runs[0])["tables"]}
    assert [row[0] for row in tables["phases"]["rows"]] == [
        "idle", "load coming up", "load alone", "training", "load going down", "cool-down",
    ]  # fmt: skip
    assert tables["background"]["rows"][0][3:] == [
        {"why": "coverage: no ledger"}, "97 %", "30 ms", "812.0 ± 1.2 steps",
    ]  # fmt: skip
    units = {row[1].split()[-1] for row in tables["energy"]["rows"]}
    assert len(units) == 1


def test_warnings_that_differ_in_figures_are_one() -> None:
    lines = [
        ("a", "foreign load: 0.5 cores of pid 7"), ("b", "foreign load: 1.25 cores of pid 9"),
        ("b", "GPU 0 hung"), ("c", "GPU 1 hung"), ("c", "the disk is full"),
    ]  # fmt: skip
    assert [(one.text, one.runs, one.named, one.same) for one in grouped(lines)] == [
        ("foreign load: 0.5 cores of pid 7", 2, ("a", "b"), False),
        ("GPU 0 hung", 2, ("b", "c"), False), ("the disk is full", 1, ("c",), True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("-1.2e-05 ± 3 J", "3 ± 1,024.5 J"),
        ("3E+10 J", "−7 J"),
        ("-1180 ± 300 J", "1.2 ± 0.3 kJ"),
        ("900 ms", "1.5 s"),
        ("12.5 % higher", "3 % higher"),
    ],
)
def test_numbers_with_signs_powers_and_units_are_alike(one: str, another: str) -> None:
    lines = [("a", f"marginal_joules is uncertain, {one}: why"), ("b", f"marginal_joules is "
             f"uncertain, {another}: another why")]  # fmt: skip
    (group,) = grouped(lines)
    assert group.runs == 2
    assert len(grouped([("a", f"GPU hung, {one}"), ("a", f"CPU hung, {another}")])) == 2


def test_the_page_asks_for_nothing_and_holds_no_markup_of_others(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<img src=x" not in text
    assert "<script>window.evil" not in text
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", own)


def test_the_terminal_says_warnings_first_and_what_is_missing(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code = cli.run(["-C", str(results.parent), "report"])
    told = capsys.readouterr()
    assert code == int((results / "broken.json").exists())
    words = " ".join(told.out.split())
    assert words.startswith("error: ")
    assert "warning: 8 of 9 runs: foreign load" in words
    assert "unknown" in words
    assert "9 runs, 2 failed, 7 succeeded" in words
    assert "kJ, of 8 runs" in words  # whose energy is known


def test_the_summary_needs_no_library_of_the_page(results: Path) -> None:
    program = (
        "import sys; sys.modules.update(altair=None, polars=None, vl_convert=None, scipy=None)"
    )
    program += "; from energyctl import cli; sys.exit(cli.run(sys.argv[1:]))"
    summary = [sys.executable, "-c", program, "report", str(next(results.glob("run0001*.json")))]
    ended = subprocess.run(summary, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ": 1 run, " in ended.stdout
    ended = subprocess.run(
        [*summary, "--html", str(results.parent / "none.html")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == f"energyctl: charts need altair: {extra_install('report')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--html", "x.html"], "no such file or folder"),
        (["--html", "."], "is a folder: name a file"),
        (["--html", "there.html"], "there already: --force replaces it"),
        (["--title", "x"], "--title goes with --html"),
        (["--html", "no/folder/x.html"], "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_reported_is_one_line(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(tmp_path / "results", "mutation", [1.0])
    (tmp_path / "there.html").write_text("mine")
    before = sorted(tmp_path.iterdir())
    assert cli.run(["-C", str(tmp_path), "report", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.html").read_text() == "mine"


# -- in Chromium -------------------------------------------------------------------------------


class Shown:
    """The page in a window; `trouble`: what the console said, and what was asked of a network."""

    def __init__(self, browser: Any, page: Path, width: int = 1300, theme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)
        self.page.goto(page.as_uri())
        self.page.wait_for_selector("#c-energy svg")
        self.page.wait_for_function("document.querySelectorAll('#s-background svg').length >= 3")

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.trouble.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.trouble.append(request.url)

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())


BARS = "#c-energy .mark-rect.role-mark path"
SHOWN_ROWS = "#t-runs tbody tr"


def test_the_charts_have_their_marks_and_a_filter_works(browser: Any, page: Path) -> None:
    shown = Shown(browser, page)
    assert shown.count(BARS) == 8 * 5  # five domains of eight runs; of the ninth none is known
    assert shown.count(SHOWN_ROWS) == 9
    assert shown.count("#c-against .mark-symbol.role-mark path") >= 7
    shown.page.select_option("[name=status]", "failed")
    failed = int(shown.page.evaluate(
        "JSON.parse(document.getElementById('data').textContent).runs"
        ".filter((run) => run.status === 'failed').length"
    ))  # fmt: skip
    shown.page.wait_for_function(f"document.querySelectorAll('{SHOWN_ROWS}').length === {failed}")
    assert shown.page.inner_text("#shown") == f"{failed} of 9 runs"
    shown.page.select_option("[name=status]", "")
    shown.page.fill("[name=find]", "0003_repo")
    shown.page.wait_for_function(f"document.querySelectorAll('{SHOWN_ROWS}').length === 1")
    shown.page.wait_for_function(f"document.querySelectorAll('{BARS}').length === 5")
    assert "find=0003_repo" in shown.page.url
    assert shown.count("details.run:visible") == 1
    shown.page.reload()
    shown.page.wait_for_function(f"document.querySelectorAll('{SHOWN_ROWS}').length === 1")
    assert shown.trouble == []
    shown.page.close()


def test_machines_stand_beside_each_other_with_their_calibrations(
    browser: Any, tmp_path: Path
) -> None:
    folder, draw = tmp_path / "results", random.Random(3)
    folder.mkdir()
    for number in range(6):
        write_result(folder, number, 30, draw)
    for number, path in enumerate(sorted(folder.glob("*.json"))):
        data = json.loads(path.read_text())
        data["environment"] |= {"node": f"gpu0{1 + number % 2}", "journal": "j"}
        data["foreground_result"]["repo"] = "one"
        path.write_text(json.dumps(data))
    for name, joules in (("gpu01", 1000.0), ("gpu02", 1050.0)):
        place = folder / "campaigns" / "j" / "calibration" / name
        place.mkdir(parents=True)
        domains = [{"name": "cpu", "kind": "cpu", "in_total": True}]
        energy = {"seconds": 12.0, "total_joules": joules, "uncertainty_joules": 2.0,
                  "measured": True, "domains": domains}  # fmt: skip
        result = {"schema": 1, "experiment_id": "calibration", "status": "succeeded",
                  "environment": {"node": name}, "energy": energy,
                  "phases": [{"name": "idle", "watts": {"cpu": 50.0}}]}  # fmt: skip
        (place / "calibration.json").write_text(json.dumps(result))
    made = tmp_path / "page.html"
    assert cli.run(["-C", str(tmp_path), "report", "--html", str(made)]) == 0
    shown = Shown(browser, made)
    shown.page.wait_for_selector("#c-machines svg")
    assert shown.count("#c-machines .mark-symbol.role-mark path") == 6
    text = shown.page.inner_text("#s-machines")
    assert "idle 50.0 W; 1050.0 ± 2.0 J in 12.0 s; 1.0500 ± 0.0041 of the first" in text
    assert "runs on one machine differ by" in text
    assert "applied to no figure" in text
    assert shown.trouble == []
    shown.page.close()


@pytest.mark.parametrize("width", [390, 800, 1300, 1440])
def test_no_chart_is_cut_off_at_the_edge_of_its_cell(browser: Any, page: Path, width: int) -> None:
    shown = Shown(browser, page, width)
    shown.page.evaluate("document.getElementById('r2').open = true")
    shown.page.evaluate("document.getElementById('r2').scrollIntoView()")
    shown.page.wait_for_selector(".run-iterations svg")
    shown.page.wait_for_timeout(300)
    assert shown.count(".chart svg.marks") >= 8
    assert shown.page.evaluate(FITTING) == []
    lefts = shown.page.evaluate(
        "[...document.querySelectorAll('#r2 .chart svg.marks')]"
        ".map((svg) => svg.querySelector('.background').getBoundingClientRect().left)"
    )
    assert max(lefts) - min(lefts) < 2  # one time axis
    shown.page.close()


def test_a_run_opens_with_the_power_of_every_domain_and_its_figures(
    browser: Any, page: Path
) -> None:
    shown = Shown(browser, page)
    shown.page.click("#t-runs a >> text=2 ")
    shown.page.wait_for_selector("details.run[open] .run-power svg")
    shown.page.wait_for_selector("details.run[open] .run-iterations svg")
    lines = shown.count(".run-power .mark-line.role-mark path")
    assert lines >= 5
    legend = shown.page.text_content(".run-power svg")
    for domain in ("package-0", "package-1", "dram-0", "gpu-0", "gpu-1", "idle", "cool-down"):
        assert domain in legend
    assert shown.count(".run-iterations .mark-rect.role-mark path") >= 90
    assert shown.count(".run-temperature .mark-line path") == 2
    words = shown.page.inner_text("details.run[open]")
    assert "99.5 %" in words
    assert "load coming up" in words
    shown.page.click("details.run[open] > summary")
    shown.page.wait_for_function("!document.querySelector('.run-power')")
    assert shown.trouble == []
    shown.page.close()


def test_hostile_names_are_text_and_null_is_no_zero(browser: Any, page: Path) -> None:
    shown = Shown(browser, page)
    row = shown.page.locator(SHOWN_ROWS).filter(has_text="failed").filter(has_text="alone")
    cells = row.locator("td").all_inner_texts()
    assert "–" in cells
    assert not any(cell.startswith("0 J") or cell.startswith("0.00") for cell in cells)
    shown.page.evaluate(
        "[...document.querySelectorAll('details.run')].forEach((d) => { d.open = true; })"
    )
    shown.page.wait_for_function("document.querySelectorAll('details.run h3').length >= 9 * 2")
    assert shown.page.evaluate("window.evil") is None
    assert shown.count("img") == 0
    assert "window.evil=1" in shown.page.inner_text("body")
    assert shown.trouble == []
    shown.page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_and_nothing_is_wider_than_a_phone(
    browser: Any, page: Path, theme: str
) -> None:
    shown = Shown(browser, page, 360, theme)
    background = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (theme == "light")
    shown.page.evaluate("document.getElementById('r2').open = true")
    shown.page.evaluate("document.getElementById('r2').scrollIntoView()")
    shown.page.wait_for_selector(".run-power svg")
    assert shown.page.evaluate(CONTRAST) == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") == 360
    shown.page.click("#theme")
    shown.page.wait_for_function(
        f"getComputedStyle(document.body).backgroundColor !== '{background}'"
    )
    shown.page.evaluate("document.getElementById('r2').scrollIntoView()")
    shown.page.wait_for_selector(".run-power svg")
    assert shown.page.evaluate(CONTRAST) == []
    assert shown.trouble == []
    shown.page.close()
