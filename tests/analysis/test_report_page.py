"""What a page says first, and how it does so at every width, in both themes and languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.answer import answer_of
from energyctl.analysis.report.findings import findings
from energyctl.analysis.report.languages import Language
from energyctl.analysis.report.summary import glance
from energyctl.text import energy
from found_results import LONG, write_found
from report_checks import CONTRAST, CUT, FITTING
from written_results import write_runs

SIZES = ((390, 844), (1024, 768), (1440, 900))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_found(tmp_path_factory.mktemp("found") / "results")


@pytest.fixture(scope="module")
def pages(results: Path) -> dict[str, Path]:
    made = {}
    for lang in ("en", "zh"):
        made[lang] = results.parent / f"{lang}.html"
        arguments = ["report", "--html", str(made[lang]), "--lang", lang]
        assert cli.run(["-C", str(results.parent), *arguments]) == 0
    return made


# -- without a browser ---------------------------------------------------------------------------


def test_the_first_sentence_is_that_of_the_answer(results: Path) -> None:
    answer = answer_of(energyctl.load(results))
    found = findings(answer, Language())
    said = [found.headline, *found.more, *found.rest]
    assert [one.text for one in said][: len(answer.comparisons())] == answer.comparisons()
    assert len(found.more) == 3
    assert found.headline.claim + found.headline.evidence == found.headline.text
    assert found.headline.evidence.startswith(" (95 % interval ")


def test_where_nothing_can_be_compared_it_says_what_is_missing(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [1000.0, 1010.0])
    answer = answer_of(energyctl.load(tmp_path))
    found = findings(answer, Language())
    assert found.headline.text.lower().removesuffix(".") == answer.lacking[0].lower()
    assert findings(answer, Language("zh")).headline.lang is None


# -- in Chromium ---------------------------------------------------------------------------------


class Shown:
    """A page in a window; `trouble`: what the console said."""

    def __init__(self, browser: Any, page: Path, size: tuple[int, int], theme: str = "light",
                 address: str = "") -> None:  # fmt: skip
        self.page = browser.new_page(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme
        )
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.trouble.append(said.text) if said.type == "error" else None,
        )
        self.page.goto(page.as_uri() + address)
        for chart in ("#c-levels", "#c-shares", "#c-savings", "#c-energy"):
            self.page.wait_for_selector(f"{chart} svg")

    def js(self, expression: str) -> Any:
        return self.page.evaluate(expression)


@pytest.fixture
def shown(browser: Any, pages: dict[str, Path]) -> Iterator[Shown]:
    made = Shown(browser, pages["en"], SIZES[2])
    yield made
    assert made.trouble == []
    made.page.close()


@pytest.mark.parametrize(("lang", "theme"), [("en", "light"), ("zh", "dark")])
@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_says_what_was_found(
    browser: Any, pages: dict[str, Path], size: tuple[int, int], lang: str, theme: str
) -> None:
    made = Shown(browser, pages[lang], size, theme)
    for place in (".headline", "#legend", "#c-levels svg.marks"):
        box = made.page.locator(place).bounding_box()
        assert 0 <= box["y"] <= size[1] - box["height"], place
    assert made.js("document.documentElement.scrollWidth") == size[0]
    made.js("document.querySelectorAll('details:not(.run)').forEach((one) => { one.open = true; })")
    last = made.js("document.querySelectorAll('details.run').length")
    made.js(f"location.hash = '#r{last}'")
    made.page.wait_for_selector(f"#r{last} .run-power svg")
    made.page.wait_for_selector(f"#r{last} .columns")
    assert made.js(FITTING) == []
    assert made.js(CUT) == []
    assert made.js(CONTRAST) == []
    assert made.js("document.documentElement.scrollWidth") == size[0]
    assert made.trouble == []
    made.page.close()


def test_a_chinese_page_has_no_fixed_word_in_english(browser: Any, pages: dict[str, Path]) -> None:
    made = Shown(browser, pages["zh"], SIZES[2])
    made.js("document.querySelectorAll('details:not(.run)').forEach((one) => { one.open = true; })")
    last = made.js("document.querySelectorAll('details.run').length")
    made.js(f"location.hash = '#r{last}'")
    made.page.wait_for_selector(f"#r{last} .run-power svg")
    texts = made.js(
        "[...document.querySelectorAll('body *')].filter((one) => "
        "!one.closest('[lang=en], script, style, noscript')).flatMap((one) => "
        "[...one.childNodes].filter((node) => node.nodeType === 3)"
        ".map((node) => node.textContent.trim()))"
    )
    t = Language("zh")
    assert len(set(texts)) > 100
    same = {text for text in texts if t.words.get(text, text) != text}
    held = {text for text in texts if text and t(text) != text}
    assert (same | held) - {"node"} == set()  # a host's name
    english = {text for text in texts if re.search(r"\b[a-z]{2,} [a-z]{2,}\b", text)}
    assert {text for text in english if not re.search("[\u4e00-\u9fff]", text)} == set()
    made.page.close()


LEVELS = "[...document.querySelectorAll('#c-levels svg text')].map((one) => one.textContent)"


def test_a_filter_acts_on_the_figure_and_the_facts(shown: Shown, results: Path) -> None:
    runs = energyctl.load(results)
    levels = {level.condition: level for level in answer_of(runs).levels}
    seen = glance(runs)
    assert energy(seen.joules, seen.uncertainty_joules) in shown.page.inner_text("#facts")
    for level in levels.values():
        assert any(text.startswith(f"n = {len(level.runs)}, mean ") for text in shown.js(LEVELS))
    assert not shown.page.is_visible("#s-found .whole")
    shown.page.select_option("[name=condition]", "loaded")
    shown.page.wait_for_function(
        "document.getElementById('facts').textContent.startsWith('4 runs')"
    )
    shown.page.wait_for_function(f"{LEVELS}.filter((text) => text === 'n = 0').length === 2")
    assert shown.page.is_visible("#s-found .whole")
    mean = levels["loaded"].mean.value or 0.0
    assert any(text.startswith(f"n = 4, mean {mean / 1e3:.2f}") for text in shown.js(LEVELS))
    joules = sum(value for _, value in levels["loaded"].runs)
    assert energy(joules, 12.0) in shown.page.inner_text("#facts")


def test_the_address_opens_a_run_beside_the_filter(browser: Any, pages: dict[str, Path]) -> None:
    made = Shown(browser, pages["en"], SIZES[1], address="#r12&condition=loaded")
    made.page.wait_for_selector("#r12[open] .columns")
    top = "document.getElementById('r12').getBoundingClientRect().top"
    made.page.wait_for_function(f"{top} >= 0 && {top} < innerHeight / 2")
    assert made.page.input_value("[name=condition]") == "loaded"
    made.js("location.hash = '#r3'")
    made.page.wait_for_selector("#r3[open] .columns")
    assert made.page.input_value("[name=condition]") == ""
    made.page.fill("[name=find]", "small")
    made.page.wait_for_function("location.hash === '#r3&find=small'")
    assert made.trouble == []
    made.page.close()


def test_pointing_at_a_time_shows_its_phase_and_watts(shown: Shown) -> None:
    last = shown.js("document.querySelectorAll('details.run').length")
    shown.js(f"location.hash = '#r{last}'")
    shown.page.wait_for_selector(f"#r{last} .run-power svg")
    shown.page.wait_for_selector(f"#r{last} .hair", state="attached")
    plot = shown.page.locator(f"#r{last} .run-power svg.marks .background").first.bounding_box()
    told: dict[str, list[str]] = {}
    for step in range(1, 40):
        shown.page.mouse.move(plot["x"] + step / 40 * plot["width"], plot["y"] + 20)
        _, phase, watts = shown.page.inner_text(f"#r{last} .readout").split("\n")
        told.setdefault(phase, []).append(watts)
    assert set(told["idle"]) == {"gpu-0 100.0 W"}
    assert any(re.fullmatch(r"gpu-0 3[0-2]\d\.0 W", watts) for watts in told["training"])
    words = shown.page.inner_text(f"#r{last}")
    assert "a_background_job_with_a_long_name" in words
    assert "whole run" in words
    title = shown.page.text_content(f"#r{last} .stack")
    assert "accuracy_on_a_test_set_with_a_long_name" in title.replace("\u200b", "")


def test_one_legend_of_conditions_is_on_the_page(shown: Shown) -> None:
    assert shown.page.locator("#legend li").all_inner_texts() == ["alone", LONG, "loaded"]
    legends = shown.js(
        "[...document.querySelectorAll('.chart .role-legend text')].map((one) => one.textContent)"
    )
    assert "loaded" not in legends


def test_a_table_that_scrolls_ends_between_rows(browser: Any, tmp_path: Path) -> None:
    write_runs(tmp_path / "results", "mutation", [1000.0 + n for n in range(40)])
    made = tmp_path / "page.html"
    assert cli.run(["-C", str(tmp_path), "report", "--html", str(made)]) == 0
    page = browser.new_page(viewport={"width": 1024, "height": 768})
    page.goto(made.as_uri())
    page.wait_for_selector(".tall #t-runs tbody tr")
    cut = (
        "(() => { const box = document.querySelector('.tall'), edge = box.getBoundingClientRect()"
        ".top + box.clientHeight; return [...box.querySelectorAll('tbody tr')].some((row) => {"
        "const { top, bottom } = row.getBoundingClientRect();"
        "return top < edge - 1 && bottom > edge + 1; }); })()"
    )
    assert page.evaluate(cut) is False
    page.close()


def test_on_paper_parts_are_open_and_there_is_no_filter(shown: Shown) -> None:
    shown.js("dispatchEvent(new Event('beforeprint'))")
    shown.page.emulate_media(media="print")
    assert not shown.page.is_visible("#filter")
    assert shown.page.is_visible("#warnings li")
    assert shown.page.is_visible("#s-pairs table")
    shown.js("dispatchEvent(new Event('afterprint'))")
    assert shown.js("document.getElementById('warnings').open") is False
