"""Placeholders in the texts of the registry: ``{NAME}``, one set and one spelling everywhere.

``{{`` and ``}}`` are literal braces, and so is a brace around anything but a name: JSON and
quantifiers stay as they are. In a pattern a literal brace is ``\\{``, and ``{number}`` a number.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

PATHS = ("python", "repo", "workspace", "workdir", "data", "notebook", "demo")
"""Absolute ones: a glob is relative to the folder that the run works in."""

PLACEHOLDERS = (*PATHS, "model", "run_id", "role", "params", "args")
LISTS = ("{params}", "{args}")
"""Placeholders that stand for several arguments: each is an element of its own in a command."""

NUMBER = "number"
"""What only a pattern holds."""

# A word with a letter in it: {3} and {1,2} are quantifiers.
_NAME = r"\{\s*([\w.-]*[^\W\d][\w.-]*)\s*\}"
_TOKEN = re.compile(r"\{\{|\}\}|" + _NAME)
_VARIABLE_TOKEN = re.compile(r"\{\{|\}\}|\$\$|\$\{(\w+)\}|\$([^\W\d]\w*)|" + _NAME)
# Escapes are passed over, with the braces of a character's name.
_PATTERN_TOKEN = re.compile(r"\\N\{[^}]*\}|\\.|" + _NAME, re.DOTALL)
_HOME = re.compile(r"(^|:)~(?=[/:]|$)")

Kind = Literal["text", "name", "variable"]


def tokens(text: str, *, variables: bool = False) -> Iterator[tuple[Kind, str]]:
    """The pieces of a text: what stands as it is, and names. With *variables* also ``$NAME`` and
    ``${NAME}`` of the environment; ``$$`` is ``$``."""
    at = opened = 0
    for found in (_VARIABLE_TOKEN if variables else _TOKEN).finditer(text):
        yield "text", text[at : found.start()]
        at, token = found.end(), found[0]
        if token == "{{":
            opened += 1
            yield "text", "{"
        elif token == "}}":
            # Of JSON, as {"a": {"b": 1}}, unless a pair was opened.
            yield "text", "}" if opened else "}}"
            opened = max(0, opened - 1)
        elif token == "$$":
            yield "text", "$"
        elif token.startswith("$"):
            yield "variable", found[1] or found[2]
        else:
            yield "name", token[1:-1]
    yield "text", text[at:]


def names_in(text: str, *, variables: bool = False) -> list[str]:
    """The placeholders of a text."""
    return [name for kind, name in tokens(text, variables=variables) if kind == "name"]


def names_in_command(element: str) -> list[str]:
    """The same of a command, in which any other brace is doubled. Raises ValueError."""
    names: list[str] = []
    for _, name, form, conversion in string.Formatter().parse(element):
        if name is None:
            continue
        if not name or form or conversion:
            raise ValueError("write literal braces as {{ and }}")
        names.append(name)
    return names


def variables_in(text: str) -> list[str]:
    """The names of the environment in the value of a variable, that of ``~`` included."""
    found = tokens(_with_home(text), variables=True)
    return [name for kind, name in found if kind == "variable"]


def names_in_pattern(pattern: str) -> list[str]:
    """Those of a regular expression, but for ``{number}``."""
    found = (match[0][1:-1] for match in _PATTERN_TOKEN.finditer(pattern) if match[1])
    return [name for name in found if name != NUMBER]


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in. Raises KeyError with the name of one that has no
    value."""
    return "".join(values[part] if kind == "name" else part for kind, part in tokens(text))


def with_wildcards(pattern: str) -> str:
    """A glob that matches whatever its placeholders stand for."""
    return "".join("*" if kind == "name" else part for kind, part in tokens(pattern))


def filled_pattern(pattern: str, write: Callable[[str], str]) -> str:
    """A regular expression with what *write* gives for the name of each placeholder."""

    def fill(found: re.Match[str]) -> str:
        return write(found[1]) if found[1] and found[1] != NUMBER else found[0]

    return _PATTERN_TOKEN.sub(fill, pattern)


def filled_variable(text: str, values: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The value of an environment variable: ``~`` at its beginning and after ``:`` is the home
    folder, ``$NAME`` what the environment holds. Raises KeyError with what has no value: a name, or
    ``$NAME``."""
    pieces = []
    for kind, part in tokens(_with_home(text), variables=True):
        if kind == "variable" and part not in environment:
            raise KeyError(f"${part}")
        known = {"text": {part: part}, "name": values, "variable": environment}[kind]
        pieces.append(known[part])
    return "".join(pieces)


def _with_home(text: str) -> str:
    return _HOME.sub(r"\1${HOME}", text)


def placed(command: Iterable[str]) -> set[str]:
    """All names that stand in a command as {name}."""
    return {name for element in command for name in names_in(element)}
