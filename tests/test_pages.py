"""The pages: short READMEs, a short menu, languages that say the same, names that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from documents import FENCE, LINK, PACKAGE, PAGES, ROOT, prose_of, text_of
from energyctl.errors import EnergyctlError, Interrupted, MachineError, SettingsError

DOCS = ROOT / "docs"
CHINESE = ".zh-CN.md"
TRANSLATED = [path for path in PAGES if path.name.endswith(CHINESE)]
SHORTER = {"results.zh-CN.md", "settings.zh-CN.md"}
"""They hold the table, and some sentences; the others have all sections of their page."""


def english_of(page: Path) -> Path:
    return page.with_name(page.name.replace(CHINESE, ".md"))


# --- READMEs


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_is_short(name: str) -> None:
    assert len((ROOT / name).read_bytes()) <= 10_000


def code_of(page: Path) -> list[str]:
    """Its code blocks without comments."""
    return [re.sub(r" +# .*", "", body) for _, _, body in FENCE.findall(text_of(page))]


def outline_of(page: Path) -> list[str]:
    """Its headings by their level, rows of tables and pictures, in their order."""
    return re.findall(r"^(#+(?= )|\||!(?=\[))", prose_of(page), re.MULTILINE)


def linked_pages(page: Path) -> list[str]:
    """Where its links lead, in their order: pages of either language alike, without sections."""
    found = LINK.findall(prose_of(page))
    paths = [link.partition("#")[0].replace(CHINESE, ".md") for link in found]
    return [path for path in paths if path != page.name.replace(CHINESE, ".md")]


WHOLE = [page for page in TRANSLATED if page.name not in SHORTER]


@pytest.mark.parametrize("page", WHOLE, ids=lambda page: page.name)
def test_a_translation_has_the_outline_and_the_code_of_its_page(page: Path) -> None:
    assert outline_of(page) == outline_of(english_of(page))
    assert code_of(page) == code_of(english_of(page))


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_a_translation_and_its_page_link_to_each_other(page: Path) -> None:
    assert f"]({page.name})" in text_of(english_of(page))
    assert f"]({english_of(page).name})" in text_of(page)


@pytest.mark.parametrize("page", WHOLE, ids=lambda page: page.name)
def test_a_translation_links_to_the_same_pages(page: Path) -> None:
    assert linked_pages(page) == linked_pages(english_of(page))


# --- words


def test_the_chinese_pages_use_the_words_of_the_glossary() -> None:
    others = ("实验任务", "一批实验", "实验活动", "测量任务", "后台作业", "误差带", "不确定带")
    texts = {page.name: text_of(page) for page in TRANSLATED}
    found = [(name, word) for name, text in texts.items() for word in others if word in text]
    assert not found
    glossary = text_of(DOCS / "glossary.md")
    assert all(word in glossary for word in ("测量活动", "后台任务", "不确定区间"))


# --- the menu


def menu() -> list[str]:
    """The pages of the menu but for the Chinese part."""
    nav = text_of(ROOT / "mkdocs.yml").partition("\nnav:\n")[2].partition("- 中文:")[0]
    return re.findall(r": (\S+\.md)$", nav, re.MULTILINE)


def test_the_menu_is_short() -> None:
    assert 10 <= len(menu()) <= 15


def test_every_page_is_in_the_menu_or_linked_from_a_page_of_it() -> None:
    within = set(menu())
    linked = {link for name in within for link in linked_pages(DOCS / name)}
    pages = {page.name for page in DOCS.glob("*.md") if not page.name.endswith(CHINESE)}
    assert pages - within <= linked


def test_pages_that_the_program_names_are_there() -> None:
    sources = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.j2"), *(ROOT / "settings").glob("*.json")]
    named = {page for path in sources for page in re.findall(r"docs/([\w.-]+\.md)", text_of(path))}
    assert len(named) > 8
    assert {name for name in named if not (DOCS / name).exists()} == set()


# --- names that the program has


def schema_names(kind: str) -> set[str]:
    """Every key that a schema knows."""

    def names(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            yield from node.get("properties", {})
            for value in node.values():
                yield from names(value)
        elif isinstance(node, list):
            for value in node:
                yield from names(value)

    return set(names(json.loads(text_of(ROOT / "settings" / f"{kind}.schema.json"))))


def table_names(page: Path, head: str) -> set[str]:
    """The names of the first column of the table whose head begins so."""
    rows = text_of(page).partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    columns = (row.split("|")[1] for row in rows)
    return {
        name for column in columns for name in re.findall(r"[`.]([A-Za-z_][A-Za-z_0-9]*)", column)
    }


FREE = {"description", "comment", "note", "version", "_"}


@pytest.mark.parametrize(
    ("name", "head"), [("settings.md", "field"), ("settings.zh-CN.md", "字段")]
)
def test_the_fields_of_the_settings_are_those_of_the_program(name: str, head: str) -> None:
    schema = json.loads(text_of(ROOT / "settings" / "settings.schema.json"))
    known = schema["properties"] | schema["$defs"]["ExperimentFields"]["properties"]
    fields = {field for field, of in known.items() if "not" not in of}  # those are older names
    assert table_names(DOCS / name, head) - FREE == fields - FREE - {"$schema"}


@pytest.mark.parametrize(("name", "head"), [("results.md", "key"), ("results.zh-CN.md", "键")])
def test_the_keys_of_results_are_those_of_the_program(name: str, head: str) -> None:
    named = table_names(DOCS / name, head)
    assert len(named) > 20
    assert named - schema_names("results") == set()


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = text_of(DOCS / "reference.md").partition("| exit code |")[2].partition("\n\n")[0]
    codes = set(map(int, re.findall(r"^\| (\d+) \|", table, re.MULTILINE)))
    errors = (EnergyctlError, SettingsError, MachineError, Interrupted)
    assert codes == {0, *(error.exit_code for error in errors)}


MINE = {"mine.json", "x.json", "old.json", "new.json", "load.json", "meters.json"}
"""Files of settings that a reader writes."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_project_that_a_page_names_are_there(page: Path) -> None:
    if page.name == "changelog.md":
        pytest.skip("it names what was there")
    places = r"(?<![\w/.{-])((?:settings|templates|tests|docs|\.ci)/[\w./-]*\w)"
    named = {name for name in re.findall(places, text_of(page)) if Path(name).name not in MINE}
    assert {name for name in named if not (ROOT / name).exists()} == set()
