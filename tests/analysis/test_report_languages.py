"""The page in English and in Chinese: its words, its sentences, and which language it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.answer import answer_of
from energyctl.analysis.report import page as report_page
from energyctl.analysis.report.findings import comparisons, shares
from energyctl.analysis.report.languages import Language, language_of
from found_results import write_found

HERE = Path(report_page.__file__).parent


def test_chinese_sentences_hold_the_figures_of_the_english_ones(tmp_path: Path) -> None:
    answer = answer_of(energyctl.load(write_found(tmp_path / "results")))
    english, chinese = (
        [*comparisons(answer, Language(name)), *shares(answer, Language(name))]
        for name in ("en", "zh")
    )
    assert len(english) == len(chinese) >= 4
    for one, other in zip(english, chinese, strict=True):
        assert re.search("[\u4e00-\u9fff]", other.text)
        figures = [set(re.findall(r"\d+\.?\d*", said.text)) for said in (one, other)]
        assert figures[1] <= figures[0]
        assert len(figures[1]) >= 5


def test_every_word_of_the_page_is_in_the_catalogue() -> None:
    words = Language("zh").words
    template = (HERE / "page.html.j2").read_text(encoding="utf-8")
    keys = set(re.findall(r'\bt\("([^"]+)"', template))
    nouns = re.findall(r't\.count\(.+?, "([^"]+)"\)', template)
    for name in report_page.SCRIPTS:
        script = (HERE / name).read_text(encoding="utf-8")
        keys |= set(re.findall(r'\bt\("([^"]+)"', script))
        nouns += re.findall(r'many\([^"]*?"([^"]+)"\)', script)
    keys |= {f"{{n}} {noun}s" for noun in nouns}
    assert len(keys) > 80
    assert keys - set(words) == set()
    for key, translated in words.items():
        assert set(re.findall(r"{(\w+)}", key)) >= set(re.findall(r"{(\w+)}", translated)), key


def titles(spec: Any) -> Iterator[str]:
    """Of a specification, and of all in it."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key == "title" and isinstance(value, str | list):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from titles(value)
    elif isinstance(spec, list):
        for one in spec:
            yield from titles(one)


def test_every_title_of_a_chart_is_in_the_catalogue(tmp_path: Path) -> None:
    page = report_page.data(energyctl.load(write_found(tmp_path / "results")))
    known = {"GPU", "accuracy_on_a_test_set_with_a_long_name"}
    said = {title for title in titles([page["charts"], page["runCharts"]]) if title.strip()}
    own = {title for title in said if not re.search("[\ue000\ue001]", title)} - known
    assert len(own) > 25
    t = Language("zh")
    assert {title for title in own if t(title) == title} == set()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"), ({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "C"}, "zh"),
    ],
)  # fmt: skip
def test_the_language_goes_by_the_locale(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_a_language_goes_with_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["-C", str(tmp_path), "report", "--lang", "zh"]) == 2
    assert "--lang goes with --html" in capsys.readouterr().err


def test_a_finished_text_is_recognised_by_its_holes() -> None:
    t = Language("zh")
    assert t("12.3 ± 0.1 kJ (estimated)") == "12.3 ± 0.1 kJ（估计）"
    assert t("training (fit)") == "训练（fit）"
    assert t("mean of alone (kJ)") == "alone 的均值（kJ）"
    assert t("3 of 5") == "3 / 5"
    assert t("a message of a result") == "a message of a result"
    assert t.said("a message of a result").lang == "en"
