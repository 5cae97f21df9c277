"""The documentation: its commands, messages, links and JSON are those of the program."""

from __future__ import annotations

import ast
import functools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from documents import FENCE, LINK, PACKAGE, PAGES, ROOT, prose_of
from energyctl import cli

ANY = "\N{HORIZONTAL ELLIPSIS}"  # stands for a value, in the page and in the skeleton of a text


def fences(page: Path, *languages: str) -> list[str]:
    return [body for _, language, body in FENCE.findall(page.read_text()) if language in languages]


# --- messages


def skeleton(node: ast.expr) -> str:
    """A string of the source, each value in it written as an ellipsis."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ANY
    if isinstance(node, ast.JoinedStr):
        return "".join(skeleton(value) for value in node.values)
    return ANY


@functools.cache
def nodes() -> list[tuple[Path, ast.expr]]:
    """(module, node) of every string and every call in the source."""
    kinds = (ast.Constant, ast.JoinedStr, ast.Call)
    return [
        (module, node)
        for module in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
    ]


def fixed_parts(message: str) -> list[str]:
    return [part for part in map(str.strip, message.split(ANY)) if re.search(r"\w{2}", part)]


def holds(text: str, parts: list[str]) -> bool:
    """Whether *parts* stand in *text*, in their order."""
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def quoted_messages(name: str = "troubleshooting.md") -> list[str]:
    page = ROOT / "docs" / name
    return [line for body in fences(page, "text") for line in body.splitlines() if line]


def test_the_troubleshooting_page_quotes_messages_of_the_program() -> None:
    strings = {skeleton(node) for _, node in nodes() if not isinstance(node, ast.Call)}
    said = [text for text in strings if " " in text]
    messages = {message: fixed_parts(message) for message in quoted_messages()}
    assert len(messages) > 100
    unknown = [m for m, parts in messages.items() if not any(holds(text, parts) for text in said)]
    assert not unknown, "no string of the source holds these: " + "\n".join(unknown)


def refusals() -> Iterator[tuple[str, str]]:
    """(where, text) of every message by which the machine is refused."""
    for module, node in nodes():
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MachineError":
            text = skeleton(node.args[0])
            if fixed_parts(text):
                yield f"{module.relative_to(ROOT)}:{node.lineno}", text


def test_every_refusal_of_the_machine_is_on_the_troubleshooting_page() -> None:
    parts = [fixed_parts(message) for message in quoted_messages()]
    assert len(list(refusals())) > 15
    missing = [
        f"{where}: {text}"
        for where, text in refusals()
        if not any(quoted and holds(text, quoted) for quoted in parts)
    ]
    assert not missing, "add to docs/troubleshooting.md:\n" + "\n".join(missing)


def test_a_quoted_message_that_is_not_in_the_source_is_seen() -> None:
    assert not holds("another campaign holds …", fixed_parts("another lock holds …"))
    assert fixed_parts("…: not an …") == [": not an"]


# --- commands


INLINE = re.compile(r"(?<!`)`((?:sudo )?energyctl [^`\n]+)`(?!`)")


def commands(page: Path) -> list[str]:
    """The lines of shell that call energyctl, those that go on after a backslash joined, and what
    stands within the text, without the brackets and bars of a synopsis."""
    lines = INLINE.findall(prose_of(page))
    lines = [re.sub(r"[][|]", " ", line) for line in lines]
    for body in fences(page, "sh", "bash", "console"):
        lines += body.replace("\\\n", " ").splitlines()
    return [line for line in lines if re.search(r"(^|[\s/$])energyctl\s", line)]


def words_after_energyctl(line: str) -> list[list[str]]:
    """The arguments of each energyctl on a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters = "#"
    lexer.whitespace_split = True
    found: list[list[str]] = []
    inside: list[str] | None = None
    for word in lexer:
        if set(word) <= set("();<>|&"):
            inside = None
        elif inside is not None:
            inside.append(word)
        elif word.rpartition("/")[2] == "energyctl":
            inside = []
            found.append(inside)
    return found


def complaint(arguments: list[str]) -> str | None:
    """Why energyctl has no such command line; None where it has."""
    group = cli.group
    options = {name: p for p in group.params for name in p.opts}
    while arguments and arguments[0].startswith("-"):
        option = options.get(arguments[0])
        if option is None:
            return f"energyctl has no option {arguments[0]}"
        flag = isinstance(option, click.Option) and option.is_flag
        arguments = arguments[1 if flag else 2 :]
    if not arguments or arguments[0] in ("COMMAND", ANY):
        return None
    command = group.get_command(click.Context(group), arguments[0])
    if command is None:
        return f"there is no command {arguments[0]}"
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
    own = arguments[1 : arguments.index("--") if "--" in arguments else None]
    used = [word.partition("=")[0] for word in own if word.startswith("-") and word != "-"]
    return next((f"{command.name} has no option {o}" for o in used if o not in known), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_documentation_exists(page: Path) -> None:
    for line in commands(page):
        for arguments in words_after_energyctl(line):
            said = complaint(arguments)
            assert said is None, f"{page.name}: {line.strip()}: {said}"


def test_commands_are_found_and_wrong_ones_are_seen() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 200
    assert words_after_energyctl("cd x && sudo .venv/bin/energyctl -C lab run x.json # now") == [
        ["-C", "lab", "run", "x.json"]
    ]
    assert complaint(["-C", "lab", "run", "x.json", "--seed=1"]) is None
    assert complaint(["meter", "--out", "d", "--", "make", "--nonsense"]) is None
    assert complaint(["run", "--nonsense"]) == "run has no option --nonsense"
    assert complaint(["runn"]) == "there is no command runn"


# --- JSON and links


def links(page: Path) -> list[str]:
    """Those within the repository."""
    found = LINK.findall(prose_of(page))
    return [link for link in found if "://" not in link]


def test_json_and_links_are_found() -> None:
    assert sum(len(fences(page, "json")) for page in PAGES) > 15
    assert sum(len(links(page)) for page in PAGES) > 100
    assert len([link for page in PAGES for link in links(page) if "#" in link]) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_piece_of_json_is_json(page: Path) -> None:
    for body in fences(page, "json"):
        whole = body.strip()
        piece = whole if whole.startswith(("{", "[")) else f"{{{whole}}}"  # `"key": …` of an object
        json.loads(piece)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = prose_of(page)
    made = set[str]()
    for title in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\]\([^)]*\)", "", title).lower().strip()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = 0
        while (unique := name + (f"-{count}" if count else "")) in made:
            count += 1
        made.add(unique)
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        led = (page.parent / path).resolve() if path else page
        assert led.exists(), f"{page.name}: {link}: there is no such file"
        if anchor:
            assert anchor in anchors(led), f"{page.name}: {link}: there is no such section"


# --- pictures


PICTURES = sorted((ROOT / "docs").rglob("*.svg"))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_ask_nothing_of_other_hosts(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    loaded = re.findall(r"""(?:href|src)=["'](?!#|data:)|url\((?!["']?(?:#|data:))|@import""", text)
    assert not loaded


# --- architecture

ARCHITECTURE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"`([\w./-]*(?:/|\.py|\.j2))(?::([\w.]+))?`")


def definitions(module: Path) -> set[str]:
    """Functions and classes of a module, methods as ``Class.method``."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    tops = [n for n in ast.parse(module.read_text(encoding="utf-8")).body if isinstance(n, kinds)]
    methods = {f"{top.name}.{n.name}" for top in tops for n in top.body if isinstance(n, kinds)}
    return {top.name for top in tops} | methods


def test_every_place_that_the_architecture_names_exists() -> None:
    places = PLACE.findall(ARCHITECTURE.read_text(encoding="utf-8"))
    assert len(places) > 40
    for path, name in places:
        file = next((root / path for root in (PACKAGE, ROOT) if (root / path).exists()), None)
        assert file is not None, f"there is no {path}"
        assert not name or name in definitions(file), f"{path} has no {name}"


def test_the_architecture_shows_the_whole_package() -> None:
    tree = next(body for body in fences(ARCHITECTURE, "") if body.startswith("energyctl/\n├"))
    shown = set(re.findall(r"\w+(?:/|\.py)", tree.partition("\n")[2]))
    entries = {path.name if path.is_file() else f"{path.name}/" for path in PACKAGE.iterdir()}
    assert shown == {name for name in entries if name.endswith(("/", ".py"))} - {"__pycache__/"}
