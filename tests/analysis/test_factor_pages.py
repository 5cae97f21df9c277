"""Factors of a grid on a page: what it says first, their tables and figures, in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl.analysis.answer import answer_of
from energyctl.analysis.report import page as report_page
from energyctl.analysis.report.factors import factor_sections
from energyctl.analysis.report.findings import findings
from energyctl.analysis.report.languages import Language
from report_checks import CONTRAST, CUT, FITTING
from set_machines import WORSE, write_levels

CONDITIONS = (("alone", 1.0), ("loaded", 1.5))


def test_the_first_sentence_says_what_the_factor_does(tmp_path: Path) -> None:
    answer = answer_of(energyctl.load(write_levels(tmp_path, WORSE)))
    found = findings(answer, Language())
    assert found.headline.claim == "500 W: 11 % less total energy than 700 W"
    assert found.more[-1].claim.startswith("Total energy is least at a GPU power limit of 500 W")


@pytest.mark.parametrize(
    ("levels", "trend"),
    [
        (WORSE, "总能量在 GPU 功率上限 为 500 W 时最低，两端都更高：变化不是单向的（5 个区组）。"),
        ({200.0: (9e3, 9.0), 400.0: (8e3, 8.0), 800.0: (7e3, 7.0)}, "次幂变化，翻倍时少 1"),
        ({200.0: (9e3, 9.0), 400.0: (9e3, 8.0), 800.0: (9e3, 7.0)}, "：尚无定论（幂次的 95 %"),
    ],
)
def test_chinese_sentences_hold_the_figures_of_the_english_ones(
    tmp_path: Path, levels: dict[float, tuple[float, float]], trend: str
) -> None:
    answer = answer_of(energyctl.load(write_levels(tmp_path, levels)))
    said = [factor_sections(answer, Language(name))[0].tables[0].remarks for name in ("en", "zh")]
    english, chinese = ([text.text for text, _ in one] for one in said)
    assert len(english) == len(chinese) == len(levels)
    for one, other in zip(english, chinese, strict=True):
        figures = [set(re.findall(r"\d+\.?\d*", text)) for text in (one, other)]
        assert figures[1] <= figures[0]
    assert trend in chinese[-1]
    found = findings(answer, Language("zh"))
    assert [one.text for one in (found.headline, *found.more, *found.rest)] == chinese


def test_what_was_not_enforced_is_said_in_chinese(tmp_path: Path) -> None:
    levels = {400.0: (8000.0, 20.0), 350.0: (8000.0, 20.0)}
    runs = energyctl.load(write_levels(tmp_path, levels, enforced={400.0: 350.0}))
    (section,) = factor_sections(answer_of(runs), Language("zh"))
    ((_, lines),) = section.tables[0].remarks
    assert [line.text for line in lines][:2] == [
        "GPU 功率上限 400 W：5 次运行中有 5 次实际生效的是 350 W",
        "GPU 功率上限 350 W 和 400 W 的实际值重叠（350 W 和 350 W）：它们不是两个水平",
    ]
    assert {line.lang for line in lines[:2]} == {None}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_draws_the_front_and_has_the_table(
    browser: Any, tmp_path: Path, language: str, width: int
) -> None:
    folder = write_levels(tmp_path / "results", WORSE, conditions=CONDITIONS)
    path = tmp_path / "page.html"
    path.write_text(report_page.page(energyctl.load(folder), language=language), encoding="utf-8")
    shown = browser.new_page(viewport={"width": width, "height": 900})
    trouble: list[str] = []
    shown.on("pageerror", lambda error: trouble.append(str(error)))
    shown.goto(path.as_uri())
    for chart in ("#c-levels", "#c-factor-0", "#c-against"):
        shown.wait_for_selector(f"{chart} svg")
    assert shown.locator("#s-factors tbody tr").count() == 2 * len(WORSE)
    words = shown.locator("#c-factor-0 svg text").all_text_contents()
    assert words.count("500 W") == len(CONDITIONS)
    assert not trouble
    for check in (FITTING, CUT, CONTRAST):
        assert shown.evaluate(check) == []
    shown.close()


def test_a_factor_alone_has_its_front_at_the_top(browser: Any, tmp_path: Path) -> None:
    """In place of a mean over all of its levels."""
    folder = write_levels(tmp_path / "results", WORSE)
    path = tmp_path / "page.html"
    path.write_text(report_page.page(energyctl.load(folder)), encoding="utf-8")
    shown = browser.new_page()
    shown.goto(path.as_uri())
    shown.wait_for_selector("#s-first #c-factor-0 svg")
    assert shown.locator("#c-factor-0").count() == 1
    assert shown.locator("#c-levels").count() == 0
    titles = " ".join(shown.locator("#t-runs thead th").all_text_contents())
    assert "GPU power limit (W)" in titles
    shown.close()
