"""Files that a command is asked to write."""

from __future__ import annotations

from pathlib import Path

import click


def refuse_existing(place: Path, force: bool) -> None:
    """Nothing that a user may have made is replaced unasked. Raises UsageError."""
    if place.exists() and not place.is_file():
        raise click.UsageError(f"{place} is no regular file: name another --out")
    if place.exists() and not force:
        raise click.UsageError(f"{place} is there already: --force replaces it")
