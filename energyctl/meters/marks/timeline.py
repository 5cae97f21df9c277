"""What a training has told of itself: its epochs, marks, figures and runs in other tools.

Memory has a limit whatever it tells. Instants are Unix seconds of the sampler's time line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from energyctl.meters.marks.lines import Begin, Dropped, EpochEnd, Line, Mark, Tracked
from energyctl.text import count, first_of, one_line

if TYPE_CHECKING:  # the registry takes 60 ms, and what tells no figures needs nothing of it
    from energyctl.config.registry import Metric, Reading
    from energyctl.config.registry.reading import Selection

MOST_EPOCHS = 1000
"""Entries; of more epochs neighbours are one."""

MOST_MARKS = 1000
MOST_METRICS = 100
MOST_TRACKED = 10
MOST_SOURCES = 64
_SHOWN = 5

Boundary = Begin | EpochEnd | Mark
"""Where one stretch of time ends and another begins."""


@dataclass
class Epoch:
    """start None: the training's own. epochs: how many it stands for, of which it has the number
    and the figures of the last."""

    number: int
    start: float | None
    end: float
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 1


@dataclass
class MarkedSpan:
    """end None: that of the training."""

    name: str
    start: float
    end: float | None = None


class Timeline:
    """Takes lines in their order."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        """metrics: those of the registry; of these it tells the ones with `told`."""
        self._selections: dict[str, list[Selection]] = {}
        for one in metrics:
            if one.told is not None:
                self._selections.setdefault(one.told, []).append(_selection(one))
        self._unlisted = set[str]()
        self.epochs: list[Epoch] = []
        self.epochs_seen = 0
        self.marks: list[MarkedSpan] = []
        self.tracked: list[Tracked] = []
        self._begin: float | None = None
        self._running = True  # nothing has begun since the last epoch ended
        self._ended = 0.0  # when the last epoch was first said to have ended
        self._begins: dict[object, float] = {}
        self._each = 1  # so many epochs make an entry
        self._open: MarkedSpan | None = None
        self._marker: object = None  # who opened it
        self._marks_left_out = self._metrics_left_out = self._dropped = self._unreadable = 0
        self._first_unreadable = ""

    def unreadable(self, text: str) -> None:
        """A line that is none."""
        self._first_unreadable = self._first_unreadable or one_line(text)
        self._unreadable += 1

    def take(self, line: Line, at: float, source: object = None) -> None:
        """source: the connection; processes of one training each begin and end epochs."""
        match line:
            case Begin():
                self._begin, self._running = at, False
                self._begins.pop(source, None)
                self._begins[source] = at
                if len(self._begins) > MOST_SOURCES:
                    del self._begins[next(iter(self._begins))]
            case EpochEnd():
                self._end_epoch(line, at, source)
            case Mark():
                self._mark(line.name, at, source)
            case Tracked():
                if line not in self.tracked and len(self.tracked) < MOST_TRACKED:
                    self.tracked.append(line)
            case Dropped():
                self._dropped += line.number

    def _end_epoch(self, line: EpochEnd, at: float, source: object) -> None:
        last = self.epochs[-1] if self.epochs else None
        own = self._begins.get(source)
        running = self._running if own is None else own < self._ended
        if last is not None and running and last.number == line.number:
            last.end = max(last.end, at)  # another process told it, or it has gone on
        else:
            begin = self._begin if own is None else own
            if last is not None:  # which another process may have ended later
                begin = last.end if running or begin is None else max(begin, last.end)
            self._running, self._ended = True, at
            self.epochs_seen += 1
            last = Epoch(line.number, begin, max(at, begin or at))
            self._keep(last)
        for name, text in line.figures.items():
            self._figure(self.epochs[-1], name, text, at)

    def _keep(self, epoch: Epoch) -> None:
        last = self.epochs[-1] if self.epochs else None
        if last is not None and last.epochs < self._each:
            self.epochs[-1] = _joined(last, epoch)
            return
        if len(self.epochs) >= MOST_EPOCHS:
            pairs = zip(self.epochs[::2], self.epochs[1::2], strict=True)
            self.epochs = [_joined(*pair) for pair in pairs]
            self._each *= 2
        self.epochs.append(epoch)

    def _figure(self, epoch: Epoch, name: str, text: str, at: float) -> None:
        from energyctl.config.registry import Metric
        from energyctl.config.registry.reading import number_in

        if name not in self._selections:
            if len(self._unlisted) >= MOST_METRICS:
                self._metrics_left_out += 1
                return
            self._unlisted.add(name)
            self._selections[name] = [_selection(Metric(name, told=name))]
        number = number_in(text)
        if number is not None:
            epoch.metrics[name] = number
        for selection in self._selections[name]:
            selection.add(text, number, time=at)

    def _mark(self, name: str | None, at: float, source: object) -> None:
        opened = self._open
        if opened is not None and at < opened.start and source is not self._marker:
            self._mark_before(opened, name, at)
            return
        if self._open is not None:
            self._open.end, self._open = max(at, self._open.start), None
        if name is None:
            return
        if len(self.marks) >= MOST_MARKS:
            self._marks_left_out += 1
            return
        self._open, self._marker = MarkedSpan(name, at), source
        self.marks.append(self._open)

    def _mark_before(self, opened: MarkedSpan, name: str | None, at: float) -> None:
        """What another process told earlier, and is read later: it ends where *opened* begins."""
        place = len(self.marks) - 1
        if place and (before := self.marks[place - 1]).end is not None:
            before.end = max(before.start, min(before.end, at))
        if name is None:
            return
        if len(self.marks) >= MOST_MARKS:
            self._marks_left_out += 1
            return
        self.marks.insert(place, MarkedSpan(name, at, opened.start))

    # -- what came of it ------------------------------------------------------------------------

    def selections(self) -> Sequence[Selection]:
        """Of each metric, those of the registry and those that it does not have."""
        return [one for those in self._selections.values() for one in those]

    def reading(self) -> Reading:
        """All metrics that it told, as if they had been read in an output."""
        from energyctl.config.registry import Reading

        chosen = self.selections()
        told = first_of([name for name in self._selections if self._is_told(name)], _SHOWN)
        why = f"the training told no figure of that name; it told {told or 'none'}"
        return Reading(
            {one.metric.name: one.value for one in chosen if one.found},
            strange={one.metric.name: one.strange for one in chosen if one.strange},
            lacking={one.metric.name: why for one in chosen if not (one.found or one.strange)},
            series={name: points for one in chosen for name, points in one.series.items()},
        )

    def _is_told(self, name: str) -> bool:
        return any(one.found or one.strange for one in self._selections[name])

    def warnings(self) -> list[str]:
        """A line for each sort of thing that is not kept."""
        lines = []
        if self._unreadable:
            lines.append(
                f"{count(self._unreadable, 'line')} that the training told of its epochs and marks "
                f"cannot be read, the first of them: {self._first_unreadable!r}"
            )
        if self._dropped:
            lines.append(
                f"{count(self._dropped, 'line')} of the training's epochs and marks are missing: "
                "it told more than could be sent at once"
            )
        if self._marks_left_out:
            lines.append(
                f"of the training's marks the first {MOST_MARKS} are kept, and "
                f"{self._marks_left_out} are not"
            )
        if self._metrics_left_out:
            lines.append(f"of the training's figures those of {MOST_METRICS} names are kept")
        bad = [name for name in self._unlisted if not self._selections[name][0].found]
        if bad:
            strange = [f"{name}, {self._selections[name][0].strange!r}" for name in sorted(bad)]
            lines.append(
                f"what the training told with an epoch is no number: {first_of(strange, _SHOWN)}; "
                "give it as a number of the CPU, as float(loss)"
            )
        return lines


def _selection(metric: Metric) -> Selection:
    from energyctl.config.registry.reading import Selection

    return Selection(replace(metric, series=True))


def _joined(one: Epoch, other: Epoch) -> Epoch:
    return replace(other, start=one.start, epochs=one.epochs + other.epochs)
