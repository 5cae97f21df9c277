"""Templates and values → text that supervisord, sbatch and shells read as it was meant.

The quoting is not left to the templates, which operators edit: in a script every ``{{ value }}``
is quoted for the shell as it is printed, and in the entries a value that supervisord could
misread is an error unless it went through the filter ``entry``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import sandbox

from energyctl.config.registry import parts
from energyctl.errors import SettingsError

_SAFE_IN_ENTRY = re.compile(r"[A-Za-z0-9_./:,@+=-]*")


class _Quoted(str):
    """Text that is already safe where it stands."""

    __slots__ = ()


def for_entry(value: object) -> str:
    """Quotes a value for ``command=`` and its like, where supervisord expands and splits.

    Raises SettingsError for NUL and line breaks, which no quoting can hold there.
    """
    text = str(value)
    if _SAFE_IN_ENTRY.fullmatch(text):
        return _Quoted(text)
    if any(character in text for character in "\0\r\n"):
        raise SettingsError(f"{text!r} cannot stand in a supervisord entry: it has a line break")
    text = text.replace("'", "'\"'\"'")
    text = re.sub(r"[;#%]", lambda match: "''" + match.group().replace("%", "%%''"), text)
    return _Quoted(f"'{text}'")


def for_sbatch(value: object) -> str:
    """A value as a line ``#SBATCH --name=value`` holds it. Raises SettingsError for line breaks.

    sbatch takes quotes and backslashes there as a shell does, and ``#`` as the begin of a comment.
    """
    text = str(value)
    if not text.isprintable():
        raise SettingsError(f"{text!r} cannot stand in a line of sbatch: it is not printable")
    if re.fullmatch(r"[A-Za-z0-9_./:,@+=%*-]+", text):
        return _Quoted(text)
    return _Quoted('"' + re.sub(r'(["\\])', r"\\\1", text) + '"')


def _finish_entry(value: Any) -> Any:
    if isinstance(value, _Quoted | int | float) or _SAFE_IN_ENTRY.fullmatch(str(value)):
        return value
    raise SettingsError(f"{str(value)!r} in a supervisord entry needs the filter `| entry`")


def _finish_script(value: Any) -> Any:
    if isinstance(value, _Quoted):
        return value
    if isinstance(value, str | int | float):
        return _Quoted(shlex.quote(_in_shell(str(value))))
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises the error that names the variable
    raise SettingsError(f"{value!r} in a script is neither text nor a number")


def _in_shell(text: str) -> str:
    if "\0" in text:
        raise SettingsError(f"{text!r} cannot be an argument: it has a NUL character")
    return text


def _comment(value: object) -> str:
    """One line of printable text, for a comment or a message inside double quotes."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return _Quoted(re.sub(r'[`$"\\]', "_", text))


def _lines(arguments: Sequence[str]) -> str:
    """Shell words, one a line, joined by continuations."""
    return _Quoted(" \\\n        ".join(_word(item) for item in arguments))


def _word(argument: str) -> str:
    """A shell word; what an earlier step hands on is a variable of the script."""
    words = [
        shlex.quote(_in_shell(text)) * bool(text or name is None)
        + (f'"${{handed_{name}}}"' if name else "")
        for text, name in parts(argument)
    ]
    return "".join(words[:-1]) + ("" if len(words) > 1 and words[-1] == "''" else words[-1])


@lru_cache
def _environment(folder: Path, script: bool) -> jinja2.Environment:
    # A template is the user's; energyctl may run as root.
    environment = sandbox.SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        finalize=_finish_script if script else _finish_entry,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    environment.filters.update(entry=for_entry, comment=_comment, lines=_lines, sbatch=for_sbatch)
    return environment


def render_template(path: Path, values: Mapping[str, Any], *, script: bool) -> str:
    """Renders one template; *script* chooses the quoting of shells, else that of supervisord.

    Raises SettingsError naming the file and, for an error in the template, the line.
    """
    environment = _environment(path.parent, script)
    try:
        return environment.get_template(path.name).render(values)
    except jinja2.TemplateNotFound as error:
        missing = path.parent / str(error.name)
        if os.path.lexists(missing):
            raise SettingsError(f"{missing}: the template cannot be read") from error
        raise SettingsError(f"{missing}: no such template") from error
    except jinja2.TemplateSyntaxError as error:
        raise SettingsError(f"{path}, line {error.lineno}: {error.message}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}{_line_in(path, error)}: {error}") from error
    except Exception as error:  # a template may fail in any way that an expression can
        line = _line_in(path, error)
        raise SettingsError(f"{path}{line}: {type(error).__name__}: {error}") from error


def _line_in(path: Path, error: BaseException) -> str:
    """``, line N`` of the template in which *error* came up, from its rewritten traceback."""
    number = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    return f", line {number}" if number else ""
