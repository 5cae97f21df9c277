"""What all checks of the registry say a fault with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from energyctl.config.jsonfile.validation import nearest, shown

Path = tuple[str | int, ...]
Fault = tuple[Path, str, str | None]

_VARIABLE = re.compile(r"[^=\0]+")


def written_as(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, as a suggestion."""
    like = nearest(name, known)
    return f"write {shown(like)}" if like else None


def inside_folder(path: Path, names: Iterable[str]) -> Iterator[Fault]:
    """Paths and globs that lead out of the run's folder; *path* is that of their list."""
    for number, name in enumerate(names):
        yield from inside((*path, number), name)


def inside(path: Path, name: str) -> Iterator[Fault]:
    """The same for one path."""
    if name.startswith(("/", "~")) or ".." in name.split("/"):
        hint = "write it relative to that folder"
        yield path, f"{shown(name)} leads out of the folder that the run works in", hint


def variable(path: Path, name: str) -> Iterator[Fault]:
    """Names that no environment variable can have."""
    if not _VARIABLE.fullmatch(name):
        yield path, "is no name of an environment variable", None


def option(path: Path, flag: str | None) -> Iterator[Fault]:
    """An option that holds white space, which would reach the program as one argument."""
    if flag is not None and re.search(r"\s", flag):
        first = flag.split()[0]
        hint = f"write {shown(first)}; a template can hold several arguments"
        yield path, f"holds a space: the program would get {shown(flag)} as one argument", hint
