"""Whose energy it was, as a picture: bars of four parts, with the band at their last border."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis import charts
from energyctl.analysis.charts import themes
from energyctl.analysis.charts.figure_files import figure
from energyctl.results.pairs import PARTS
from written_results import write_pair, write_shared_pair


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two blocks under each of two conditions, and a condition that is refused."""
    results = tmp_path / "results"
    for number, (condition, busy) in enumerate((("loaded", 14.0), ("night", 9.0))):
        for block in (1, 2):
            used = busy + 0.5 * block
            write_shared_pair(
                results, block, condition=condition, busy=(used, 10.0),
                joules=3000 + 200 * (used + 10), started=1.8e9 + 1000 * block + 300 * number,
            )  # fmt: skip
    write_shared_pair(results, 3, condition="noisy", joules=10_000.0, started=1.8e9 + 9000)
    return results


def chart_of(folder: Path) -> charts.ShareChart:
    found = charts.share_chart(energyctl.load(folder).pairs)
    assert found is not None
    return found


def test_a_bar_is_of_four_parts_one_behind_the_other(folder: Path) -> None:
    found = chart_of(folder)
    assert found.bars == ["loaded\ngpu-0", "night\ngpu-0", "noisy\ngpu-0"]
    first = [row for row in found.rows["shares"] if row["bar"] == "loaded\ngpu-0"]
    assert [row["part"] for row in first] == list(PARTS)
    ends = [row["end"] for row in first]
    assert ends == pytest.approx([2500, 3000, 3000 + 200 * 14.75, 3000 + 200 * 24.75])
    assert [row["start"] for row in first] == [0.0, *ends[:3]]


def test_the_band_lies_around_the_border_of_foreground_and_background(folder: Path) -> None:
    border = chart_of(folder).rows["borders"][0]
    assert (border["low"] + border["high"]) / 2 == pytest.approx(3000 + 200 * 14.75)
    pairs = [pair for pair in energyctl.load(folder).pairs if pair.condition == "loaded"]
    bands = [pair.domains["gpu-0"].foreground.uncertainty or 0 for pair in pairs]
    assert border["high"] - border["low"] == pytest.approx(sum(bands))


def test_what_is_refused_says_so_in_place_of_a_bar(folder: Path) -> None:
    assert chart_of(folder).rows["untold"] == [{"bar": "noisy\ngpu-0", "text": "refused"}]


def test_what_was_saved_stands_beside_with_its_interval(folder: Path) -> None:
    first, _, last = chart_of(folder).rows["savings"]
    assert first["condition"] == "loaded"
    assert first["joules"] == pytest.approx(6000 + 300 * 18.75 - (3000 + 200 * 24.75))
    assert first["low"] < first["joules"] < first["high"]
    assert (last["condition"], last["low"]) == ("noisy", None)


def test_there_is_no_picture_of_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path, 1)
    assert charts.share_chart(energyctl.load(tmp_path).pairs) is None


def test_a_figure_of_shares_is_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "shares.svg"
    assert cli.run(["plot", str(folder), "--kind", "shares", "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    for word in (*PARTS, "loaded", "night", "refused", "Saved together (kJ)"):
        assert word in text
    assert all(themes.SHARE_COLOURS[part] in text for part in PARTS)


def test_a_figure_of_what_is_refused_says_where_the_reason_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path / "results", 1)
    out = tmp_path / "x.svg"
    assert cli.run(["plot", str(tmp_path / "results"), "--kind", "shares", "--out", str(out)]) == 2
    assert "these runs tell no shares: energyctl attribute says why" in capsys.readouterr().err
    assert not out.exists()


# -- the page ------------------------------------------------------------------------------------


def written_page(folder: Path) -> Path:
    page = folder.parent / "page.html"
    assert cli.run(["report", str(folder), "--html", str(page)]) == 0
    return page


def test_the_page_draws_the_bars_and_their_bands(browser: Any, folder: Path) -> None:
    shown = browser.new_page(viewport={"width": 1300, "height": 800})
    trouble: list[str] = []
    shown.on("pageerror", lambda error: trouble.append(str(error)))
    shown.on(
        "request",
        lambda asked: (
            asked.url.startswith(("file:", "data:", "blob:")) or trouble.append(asked.url)
        ),
    )
    shown.goto(written_page(folder).as_uri())
    for chart in ("#c-shares svg", "#c-savings svg"):
        shown.wait_for_selector(chart)
    filled = "#c-shares .mark-rect.role-mark path"
    colours = [str(mark.get_attribute("fill")) for mark in shown.query_selector_all(filled)]
    for part in PARTS:
        assert colours.count(themes.SHARE_COLOURS[part]) == 2
    assert shown.locator("#c-shares .mark-rule.role-mark line").count() == 2
    assert len(colours) == 2 * 4 + 2 * 2  # an end at either side of each band
    assert "refused" in shown.inner_text("#c-shares")
    assert "were the foreground's and" in shown.inner_text("#s-first")
    shown.evaluate("document.getElementById('s-pairs').open = true")
    words = shown.inner_text("#s-pairs")
    assert "no share" in words
    assert "shares of gpu-0 are refused in 1 pair" in words
    assert trouble == []
    shown.close()


def test_rows_of_the_page_add_up(folder: Path) -> None:
    html = written_page(folder).read_text(encoding="utf-8")
    start = html.index('id="data">') + len('id="data">')
    data = json.loads(html[start : html.index("</script>", start)])
    rows = data["shares"]["rows"]["shares"]
    total = sum(row["joules"] for row in rows if row["bar"] == "night\ngpu-0")
    assert total == pytest.approx(3000 + 200 * (9.75 + 10))


def test_a_page_without_shares_has_the_reasons_alone(tmp_path: Path) -> None:
    write_pair(tmp_path / "results", 1)
    html = written_page(tmp_path / "results").read_text(encoding="utf-8")
    assert "Whose the energy was" not in html
    assert 'id="c-shares"' not in html
    assert "shares of gpu-0 are refused in 1 pair: a reference is missing" in html


def test_a_part_has_its_word_where_there_is_room() -> None:
    widths = {"idle": 4.0, "context": 0.5, "foreground": 4.0, "background": 0.5}
    rows, start = [], 0.0
    for part, joules in widths.items():
        rows.append({"bar": "a", "part": part, "start": start, "end": start + joules,
                     "joules": joules, "of": ""})  # fmt: skip
        start += joules
    chart = charts.ShareChart(["a"], ["a"], ["a"], "J", {"shares": rows})
    drawn = figure(lambda width: charts.share_bars(chart, width, 30, 3.7), chart.rows, "svg", 241)
    words = re.findall(r">(\w+)</text>", drawn.decode())
    assert [words.count(part) for part in widths] == [2, 1, 2, 1]  # in the key, and above the bar
