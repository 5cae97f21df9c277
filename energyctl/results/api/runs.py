"""Several results: a sequence of runs that is a DataFrame, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

from energyctl.errors import SettingsError
from energyctl.results.api import html
from energyctl.results.api.frames import TABLES, frame
from energyctl.results.api.run import Run
from energyctl.results.pairs import Pair, Pairs, find_pairs
from energyctl.results.partners import with_earlier
from energyctl.text import count

if TYPE_CHECKING:
    import polars


class Runs(Sequence[Run]):
    """The runs that were loaded, in the order of their names.

    problems: a line for each result that could not be read.
    """

    def __init__(self, runs: Iterable[Run], problems: Iterable[str] = ()) -> None:
        self._runs = tuple(runs)
        self.problems = tuple(problems)

    @overload
    def __getitem__(self, key: int | str) -> Run: ...

    @overload
    def __getitem__(self, key: slice) -> Runs: ...

    def __getitem__(self, key: int | str | slice) -> Run | Runs:
        """By place, by experiment id, or a slice. IndexError, KeyError."""
        if isinstance(key, slice):
            return Runs(self._runs[key])
        if isinstance(key, int):
            return self._runs[key]
        found = [run for run in self._runs if run.experiment_id == key]
        if not found:
            raise KeyError(key)
        return found[0]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def where(self, wanted: Callable[[Run], bool]) -> Runs:
        """Those runs for which *wanted* is true."""
        return Runs(run for run in self._runs if wanted(run))

    def table(self, name: str = "runs") -> polars.DataFrame:
        """A table of `energyctl.results.api.TABLES`, its columns as in docs/tables.md."""
        if name not in TABLES:
            raise SettingsError(f"table {name!r}: it is none of {', '.join(TABLES)}")
        if name == "pairs":
            return frame(name, [pair.row() for pair in self.pairs])
        if name == "shares":
            return frame(name, [row for pair in self.pairs for row in pair.share_rows()])
        return frame(name, [row for run in self._runs for row in run.rows(name)])

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Each run beside a background with its partner alone, and whose energy it was
        (`domains`): docs/interference.md."""
        return self.pairing.pairs

    @cached_property
    def pairing(self) -> Pairs:
        """The same, with notes on runs that are in no pair, and on how these were found."""
        return find_pairs(with_earlier((run.path, run.facts) for run in self._runs))

    def __repr__(self) -> str:
        left_out = f", {len(self.problems)} left out" if self.problems else ""
        campaigns = count(len({run.campaign for run in self}), "campaign")
        return f"<Runs: {len(self)} of {campaigns}{left_out}>"

    def _repr_html_(self) -> str:
        """A row per run, as a notebook shows it."""
        return html.runs_html([run.row for run in self], self.problems)
