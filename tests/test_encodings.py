"""Text is read and written as UTF-8, whatever the locale of the machine says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import energyctl

PACKAGE = Path(energyctl.__file__).parent
TEXT = {"read_text", "write_text"}
OPEN = {"open", "fdopen"}
BINARY = {"os.open", "self._zip.open"}
OF_THE_KERNEL = {"launchers/privileged_helper.py"}
"""It reads nothing but names of governors and records of its own, which are ASCII."""


def by_the_locale(source: str) -> Iterator[int]:
    """Lines with a call that reads or writes text without naming its encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            name, named = function.rpartition(".")[2], {word.arg for word in node.keywords}
            modes = {*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")}
            if function.endswith(".open"):
                modes |= {*node.args[:1]}
            binary = any(isinstance(m, ast.Constant) and "b" in str(m.value) for m in modes)
            opened = name in OPEN and function not in BINARY and not binary
            method = name in TEXT and "." in function
            piped = function.startswith("subprocess.") and named & {"text", "universal_newlines"}
            if (opened or method or piped) and "encoding" not in named:
                yield node.lineno


def test_no_text_depends_on_the_locale() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix() not in OF_THE_KERNEL
        for line in by_the_locale(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"name the encoding: {found}"


def test_what_is_looked_for_is_found() -> None:
    source = """\
open(name)
open(name, "w")
open(name, "rb")
open(name, "w", encoding="utf-8")
path.open("rb")
path.open("w")
path.read_text()
read_text(path, "the settings")
path.write_text(text, encoding="utf-8")
subprocess.run(command, text=True)
subprocess.run(command, text=True, encoding="utf-8")
os.open(name, flags)
"""
    assert list(by_the_locale(source)) == [1, 2, 6, 7, 10]
