"""Conditions compared as a figure, in the page and in Python; golden figures of known blocks."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.charts import block_charts, condition_marks
from energyctl.analysis.comparing import conditions_of
from energyctl.analysis.report.compared import compared_section
from energyctl.analysis.report.page import page
from energyctl.system.dependencies import extra_install
from golden_blocks import ALONE, ALONE_FIRST, BESIDE
from written_results import pair_result, write_runs

SVG = "{http://www.w3.org/2000/svg}"
LONG = "beside energyctl_examples/resnet152_pretrained_on_images + 2 × energyctl_examples/mlp"


def write_blocks(
    folder: Path, conditions: dict[str, Sequence[float]], first: Sequence[int] = ALONE_FIRST
) -> Path:
    """Joules of each block under each condition; *first*: blocks that begin with the first one."""
    folder.mkdir(parents=True)
    for block in range(1, len(next(iter(conditions.values()))) + 1):
        names = list(conditions) if block in first else [*list(conditions)[1:], "alone"]
        for place, name in enumerate(names):
            started = 1_800_000_000.0 + 1000 * block + 100 * place
            joules, load = conditions[name][block - 1], None if name == "alone" else 5.0
            data = pair_result("c", block, name, started, 20.0, joules, 10.0, load)
            (folder / f"{data['experiment_id']}.json").write_text(json.dumps(data))
    return folder


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blocks(
        tmp_path_factory.mktemp("golden") / "results", {"alone": ALONE, "two": BESIDE}
    )


# -- in Python ---------------------------------------------------------------------------------


def test_the_object_has_the_golden_figures(golden: Path) -> None:
    found = energyctl.compare(energyctl.load(golden), margin=0.05)
    row = found.table().row(0, named=True)
    assert (row["base"], row["condition"], row["measure"]) == ("alone", "two", "total_joules")
    ends = [row[f"{name}_percent"] for name in ("change", "change_low", "change_high", "at_most")]
    assert ends == pytest.approx([3.5238, 2.9602, 4.0905, 3.9776], abs=1e-4)
    assert row["p_adjusted"] == pytest.approx(1.40420e-6, rel=1e-5)
    assert (row["n"], row["more_in"]) == (8, 8)
    assert row["verdict"] == "differs, within the margin"
    assert found.sentences == [one["sentence"] for one in _main(found)]
    assert str(found) == found.sentences[0]
    assert found.document()["comparisons"][0]["ratio"]["value"] == pytest.approx(1.035238, abs=1e-6)
    assert "n = 8 blocks" in found.methods()


def _main(found: Any) -> list[Any]:
    shown = found.document()
    return [one for one in shown["comparisons"] if one["measure"] == shown["measures"][0]]


def test_the_object_is_html_with_its_table(golden: Path) -> None:
    html = energyctl.compare(energyctl.load(golden))._repr_html_()
    assert "<td>+3.52 % (+2.96 to +4.09 %)</td><td>+3.98 %</td><td>8 of 8</td>" in html
    assert "± is not used" in html


def test_a_measure_and_a_base_can_be_chosen(golden: Path) -> None:
    runs = energyctl.load(golden)
    found = energyctl.compare(runs, base="two", measures="total_watts")
    row = found.table().row(0, named=True)
    assert (row["base"], row["condition"], row["measure"]) == ("two", "alone", "total_watts")
    assert found.table().height == 1


def test_a_trend_has_a_table_and_no_figure(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [100.0 + n for n in range(9)])
    found = energyctl.compare(energyctl.load(tmp_path), by="lr", measures=["total_joules"])
    assert found.table().columns[:4] == ["training", "measure", "against", "n"]
    with pytest.raises(energyctl.SettingsError, match="lr has too many values for groups"):
        found.figure()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": "nothing"}, "no run has it"),
        ({"base": "three"}, "no such group; there are alone, two"),
        ({"margin": 5}, "margin 5: write a share between 0 and 1"),
        ({"confidence": 95}, "confidence 95: write a share"),
        ({"measures": ["beauty"]}, "no such figure of a run"),
    ],
)
def test_what_cannot_be_compared_is_said(golden: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(energyctl.SettingsError, match=said):
        energyctl.compare(energyctl.load(golden), **options)


# -- the figure --------------------------------------------------------------------------------


def marks(root: ElementTree.Element, kind: str) -> int:
    """Marks of that kind: their paths."""
    groups = [g for g in root.iter(f"{SVG}g") if f"mark-{kind} role-mark" in g.get("class", "")]
    return sum(len(group.findall(f"{SVG}path")) for group in groups)


def plot(folder: Path, *arguments: str) -> int:
    return cli.run(["-C", str(folder), "plot", "--kind", "comparison", *arguments])


def test_the_figure_has_a_line_and_a_ratio_for_each_block(golden: Path, tmp_path: Path) -> None:
    place = tmp_path / "f.svg"
    assert plot(golden.parent, "--margin", "5%", "--out", str(place)) == 0
    root = ElementTree.parse(place).getroot()
    assert float(root.attrib["width"]) == pytest.approx(85 / 25.4 * 72, abs=1)
    assert marks(root, "line") == 8
    assert marks(root, "symbol") == 2 + 8 + 1  # geometric means, ratios, their mean
    text = place.read_text()
    assert "8 blocks, alone first in 4; mean with its 95 %" in text
    assert "band: margin of 5 %" in text
    assert ">Total energy (J)<" in text
    assert ">Ratio − 1 (%)<" in text


def test_names_that_are_too_long_for_an_axis_stand_above_it(tmp_path: Path) -> None:
    write_blocks(tmp_path / "results", {"alone": ALONE, LONG: BESIDE})
    assert plot(tmp_path, "--out", "f.svg") == 0
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    texts = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert {"base", "condition"} <= {*texts}
    assert not any("…" in text for text in texts)
    assert "resnet152_pretrained_on_" in (tmp_path / "f.svg").read_text()


def test_runs_that_are_no_blocks_are_dots_with_the_interval_of_the_ratio(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [100.0, 101.0, 99.0], campaign="a")
    write_runs(tmp_path, "default", [110.0, 111.0, 109.0, 112.0], campaign="b")
    panels, rows = energyctl.compare(energyctl.load(tmp_path), by="campaign").panels()
    assert [panel.blocks for panel in panels] == [0]
    assert panels[0].note.startswith("runs, not in blocks: 3 a, 4 b; ratio of geometric means")
    assert len(rows["blocks"]) == 7
    assert rows["ratios"] == []
    (interval,) = rows["intervals"]
    assert interval["low"] < interval["change"] < interval["high"]


def test_values_without_a_ratio_are_drawn_as_differences(tmp_path: Path) -> None:
    write_blocks(tmp_path / "results", {"alone": (0.0, *ALONE[1:]), "two": BESIDE})
    (panel,), rows = energyctl.compare(energyctl.load(tmp_path / "results"), margin=0.05).panels()
    assert (panel.change, panel.log, panel.margin) == ("Difference (J)", False, None)
    assert panel.domain[0] < 0 < panel.domain[1]
    assert [row["change"] for row in rows["ratios"]] == pytest.approx(
        [b - a for a, b in zip((0.0, *ALONE[1:]), BESIDE, strict=True)]
    )


def test_estimates_are_named_in_the_figure_and_in_the_tables(tmp_path: Path) -> None:
    folder = write_blocks(tmp_path / "results", {"alone": ALONE, "two": BESIDE})
    path = next(folder.glob("*.json"))
    data = json.loads(path.read_text())
    data["energy"]["measured"] = data["energy"]["domains"][0]["measured"] = False
    path.write_text(json.dumps(data))
    found = energyctl.compare(energyctl.load(folder))
    assert found.panels()[0][0].note.endswith("; energies are estimates, in part")
    estimated = dict(found.table().select("measure", "estimated").iter_rows())
    assert (estimated["total_joules"], estimated["duration_seconds"]) == (True, False)
    assert "energies are estimates, in part. ± is not used" in found._repr_html_()


def test_each_condition_has_a_row_and_its_own_colour(tmp_path: Path) -> None:
    third = [value * 1.2 for value in ALONE]
    write_blocks(tmp_path / "results", {"alone": ALONE, "two": BESIDE, "three": third})
    found = energyctl.compare(energyctl.load(tmp_path / "results"))
    chart = found.figure().to_dict()
    assert len(chart["vconcat"]) == 2
    known = found.panels(["failed"])[0][0].conditions
    assert list(known) == ["alone", "failed", "three", "two"]
    means = chart["vconcat"][1]["hconcat"][0]["layer"][1]["encoding"]
    for device, drawn in (("color", 0), ("shape", 1)):
        marks = condition_marks(["alone", "three", "two"])
        assert means[device]["scale"]["domain"] == list(marks)
        assert means[device]["scale"]["range"] == [mark[drawn] for mark in marks.values()]


@pytest.mark.parametrize(
    ("ends", "log", "ticks"),
    [
        ((640.0, 1560.0), True, [800, 1000, 1200, 1400]),
        ((0.97, 1.012), True, [0.97, 0.98, 0.99, 1.0, 1.01]),
        ((3.0, 400.0), True, [5, 10, 20, 50, 100, 200]),
        ((-3.0, 7.0), False, [-2, 0, 2, 4, 6]),
    ],
)
def test_ticks_are_round(ends: tuple[float, float], log: bool, ticks: list[float]) -> None:
    assert block_charts.axis_ticks(*ends, log) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "energy", "--by", "model"], "--by goes with --kind comparison"),
        (["--kind", "comparison", "--margin", "5"], "is no percentage above 0, as 5%"),
        (["--kind", "comparison", "--base", "x"], "no such group; there are alone, two"),
        (["--kind", "comparison", "--by", "model"], "all runs have small: no two groups"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    golden: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert cli.run(["-C", str(golden.parent), "plot", "--out", "f.svg", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (golden.parent / "f.svg").exists()


# -- the report --------------------------------------------------------------------------------


def test_the_terminal_says_the_sentence(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["-C", str(golden.parent), "report"]) == 0
    sentence = energyctl.compare(energyctl.load(golden)).sentences[0]
    assert sentence in " ".join(capsys.readouterr().out.split())


def test_without_scipy_the_report_says_what_to_install(golden: Path) -> None:
    program = (
        "import sys; sys.modules['scipy'] = None; from energyctl import cli; "
        "sys.exit(cli.run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "-C", str(golden.parent), "report"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    said = f"runs are not compared: compare needs SciPy: {extra_install('report')}"
    assert said in " ".join(ended.stdout.split())


def test_runs_of_one_condition_or_of_other_trainings_have_no_section(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [100.0, 101.0])
    first = {path.name for path in tmp_path.glob("*.json")}
    assert conditions_of(energyctl.load(tmp_path)) is None
    write_runs(tmp_path, "mutation", [100.0, 101.0], condition="beside x")
    assert conditions_of(energyctl.load(tmp_path)) is not None
    for path in tmp_path.glob("*.json"):
        data = json.loads(path.read_text())
        data["foreground_result"]["model"] = "small" if path.name in first else "large"
        path.write_text(json.dumps(data))
    study = conditions_of(energyctl.load(tmp_path))
    assert study is None
    assert compared_section(study, []) is None


def test_a_page_draws_few_of_many_conditions(tmp_path: Path) -> None:
    conditions = {f"beside {n:02d}": [v * (1 + n / 100) for v in ALONE[:2]] for n in range(20)}
    write_blocks(tmp_path / "results", {"alone": ALONE[:2], **conditions})
    runs = energyctl.load(tmp_path / "results")
    names = [run.condition for run in runs]
    section = compared_section(conditions_of(runs), names)
    assert section is not None
    assert (len(section.panels), section.left_out) == (8, 12)
    assert len(section.tables[0].rows) == 20
    assert "12 further comparisons: in the table alone." in page(runs)


CUT = """
() => [...document.querySelectorAll("#s-compared svg.marks")].flatMap((svg) => {
  const own = svg.getBoundingClientRect(), cell = svg.closest(".chart").getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.width && (box.bottom > own.bottom + 2 || box.right > own.right + 2);
  });
  const found = texts.map((text) => text.textContent);
  return own.width > cell.width + 1 ? [...found, "wide"] : found;
})
"""


@pytest.mark.parametrize("width", [360, 1300])
def test_the_page_shows_conditions_with_their_figure(
    browser: Any, tmp_path: Path, width: int
) -> None:
    many = [800.0 + 7 * n for n in range(40)]
    conditions = {
        "alone": many,
        LONG: [1.1 * v + k % 3 for k, v in enumerate(many)],
        "beside a/b": many[::-1],
    }
    write_blocks(tmp_path / "results", conditions, range(1, 41, 2))
    made = tmp_path / "page.html"
    assert cli.run(["-C", str(tmp_path), "report", "--html", str(made)]) == 0
    shown, trouble = browser.new_page(viewport={"width": width, "height": 900}), list[str]()
    shown.on("pageerror", lambda error: trouble.append(str(error)))
    shown.goto(made.as_uri())
    shown.wait_for_selector("#c-ratios-1 svg")
    assert shown.locator("#c-blocks-0 .mark-line.role-mark path").count() == 40
    assert shown.locator("#c-ratios-0 .mark-symbol.role-mark path").count() == 40 + 1
    assert shown.evaluate(CUT) == []
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    words = shown.inner_text("#s-compared")
    assert "40 blocks, alone first in 20" in words
    assert "p with Holm's correction over 2 comparisons" in words
    assert "degrees of freedom" not in words  # folded
    shown.click("text=Methods, for a paper")
    assert "39 degrees of freedom" in shown.inner_text("#s-compared")
    assert trouble == []
    shown.close()


def test_the_page_has_the_golden_table(golden: Path) -> None:
    text = page(energyctl.load(golden))
    assert text.index('id="s-compared"') < text.index('id="h-energy"')
    for cell in ("+3.52 % (+2.96 to +4.09 %)", "+3.98 %", "8 of 8", "&lt; 0.0001"):
        assert f">{cell}</td>" in text
