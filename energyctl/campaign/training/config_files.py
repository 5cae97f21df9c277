"""Files of a clone with values of a training in them: configurations, and constants of Python.

The text is the clone's own, with its comments where the library keeps them; the libraries are
imported where they are first used.
"""

from __future__ import annotations

import ast
import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from energyctl.errors import EnergyctlError
from energyctl.system.dependencies import extra_install
from energyctl.text import first_of

Values = Mapping[str, Any]
"""Key path → value."""

_SHOWN_KEYS = 8


class ConfigFileError(EnergyctlError):
    """One line: the file, and why a value cannot be written into it."""


def edited(path: Path, values: Values) -> str:
    """The text of the file with these *values*. Raises ConfigFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigFileError(f"{path} is not UTF-8; save the file as UTF-8") from None
    try:
        return _EDITORS[path.suffix.lower()](text, values)
    except ConfigFileError as error:
        raise ConfigFileError(f"{path}: {error}") from None
    except (ValueError, RecursionError, SyntaxError) as error:
        raise ConfigFileError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigFileError(
            f"writing values into it needs {name}: {extra_install('configs')}"
        ) from None


def _yaml(text: str, values: Values) -> str:
    """YAML 1.2 as ruamel.yaml writes it; what is put in reads alike in YAML 1.1, which PyYAML
    reads: there ``1e-05`` is a text (https://yaml.org/type/float.html has a dot), and ``no`` false.
    """
    library = _library("ruamel.yaml")

    class Representer(library.RoundTripRepresenter):  # type: ignore[misc, name-defined]
        pass

    def number(representer: Any, value: float) -> Any:
        digits = repr(value)
        if "." not in digits:
            digits = digits.replace("e", ".0e")
        return representer.represent_scalar("tag:yaml.org,2002:float", digits)

    Representer.add_representer(float, number)
    yaml = library.YAML()
    yaml.Representer = Representer
    yaml.preserve_quotes, yaml.width = True, 1 << 16
    try:
        document = yaml.load(text)
    except library.error.YAMLError as error:
        raise ValueError(str(error)) from None
    quoted = library.scalarstring.DoubleQuotedScalarString
    _set(document, {key: quoted(v) if isinstance(v, str) else v for key, v in values.items()})
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _toml(text: str, values: Values) -> str:
    library = _library("tomlkit")
    document = library.parse(text)
    _set(document, values)
    return str(library.dumps(document))


def _json(text: str, values: Values) -> str:
    document = json.loads(text)
    _set(document, values)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _set(document: Any, values: Values) -> None:
    """Puts each value in the place of the one that is there. Raises ConfigFileError."""
    for path, value in values.items():
        *above, last = path.split(".")
        holder = document
        for key in above:
            holder = holder[_key(holder, key, path)]
        place = _key(holder, last, path)
        if isinstance(holder[place], dict | list):
            raise ConfigFileError(f"{path} holds more than one value")
        holder[place] = value


def _key(holder: Any, key: str, path: str) -> Any:
    if isinstance(holder, list) and key.isdecimal() and int(key) < len(holder):
        return int(key)
    if isinstance(holder, dict) and key in holder:
        return key
    known = [str(one) for one in holder] if isinstance(holder, dict) else []
    there = f": there are {first_of(known, _SHOWN_KEYS)}" if known else ""
    raise ConfigFileError(f"has no {path}: no key {key!r}{there}")


def _python(text: str, values: Values) -> str:
    """Each value in the place of one expression; all other bytes stay."""
    body = ast.parse(text).body
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    spans = []
    for key, value in values.items():
        places = [*_assigned(body, key), *_passed(body, key)]
        if len(places) != 1:
            many = f"has {len(places)} places for {key}, of which nobody knows the right one"
            raise ConfigFileError(many if places else f"{key} is not assigned in it")
        (node,) = places
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
        spans.append((begin, end, repr(value).encode()))
    whole = text.encode()
    for begin, end, new in sorted(spans, reverse=True):
        whole = whole[:begin] + new + whole[end:]
    return whole.decode()


def _assigned(body: list[ast.stmt], key: str) -> Iterator[ast.expr]:
    """The values of ``NAME = …`` outside functions; of ``CLASS.NAME`` and ``DICT.KEY``."""
    name, _, rest = key.partition(".")
    for statement in _statements(body):
        match statement:
            case ast.ClassDef(name=found) if found == name and rest:
                yield from _assigned(statement.body, rest)
            case (
                ast.Assign(targets=[ast.Name(id=found)], value=value)
                | ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value)
            ) if found == name:
                yield from _inside(value, rest)


def _inside(value: ast.expr, key: str) -> Iterator[ast.expr]:
    if not key:
        yield value
    elif isinstance(value, ast.Dict):
        name, _, rest = key.partition(".")
        for one, inner in zip(value.keys, value.values, strict=True):
            if isinstance(one, ast.Constant) and one.value == name:
                yield from _inside(inner, rest)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module or class, and in its ``if``, ``with``, …; not in functions."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                yield from _statements(handler.body)


def _passed(body: list[ast.stmt], key: str) -> Iterator[ast.expr]:
    """The values of ``KEYWORD=…`` in calls of ``CALLEE``, for ``CALLEE.KEYWORD``, anywhere."""
    callee, _, name = key.rpartition(".")
    for statement in body if callee else ():
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == callee:
                yield from (one.value for one in node.keywords if one.arg == name)


_EDITORS: dict[str, Callable[[str, Values], str]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
    ".toml": _toml,
    ".py": _python,
}
