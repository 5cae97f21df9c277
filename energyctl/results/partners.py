"""Runs alone of earlier campaigns, which results name: read where they lie beside these."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from energyctl.results import reader
from energyctl.results.pairs import RunFacts, facts_of
from energyctl.text import is_file_name


def with_earlier(runs: Iterable[tuple[Path, RunFacts]]) -> list[RunFacts]:
    """The facts of *runs*, and of the runs alone that these name; of what cannot be read, none."""
    known = {facts.experiment_id: (path, facts) for path, facts in runs}
    named = (
        path.with_name(f"{facts.alone_of}.json")
        for path, facts in known.values()
        if facts.alone_of and facts.alone_of not in known and is_file_name(facts.alone_of)
    )
    there = [path for path in dict.fromkeys(named) if path.is_file()]
    earlier = reader.read(there, lambda path, result: facts_of(result), lambda line: None)
    return [facts for _, facts in known.values()] + list(earlier)
