"""What a background job did during the last attempt of the foreground. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from energyctl.results.phases import kind_of
from energyctl.results.tables.accessors import attempt_span
from energyctl.results.tables.columns import Row
from energyctl.results.tables.part import Part

NOT_TOLD = "the result has no work of it"
OTHER_UNITS = "its work is given in different units"


@dataclass(frozen=True)
class Work:
    """What a job did in some phases together; None: not known, for the reason `missing`."""

    seconds: float = 0.0
    amount: float | None = None
    uncertainty: float | None = None
    unit: str | None = None
    missing: str | None = None


class Entry(NamedTuple):
    """Of a job's `work`, with the kind of its phase, and whether that is of the last attempt."""

    work: Part
    kind: str
    beside: bool


class _Span(NamedTuple):
    name: str
    start: float | None
    end: float | None

    def within(self, start: float | None, end: float | None) -> bool | None:
        """Whether it is of the attempt between these; None: not known."""
        if self.start is None or self.end is None or start is None or end is None:
            return None
        return start <= (self.start + self.end) / 2 <= end


def attempt_work(result: Part, job: Part) -> Row:
    """How much it did during the last attempt: `work`, its uncertainty and unit."""
    found = work_beside(result, entries_of(result, job))
    return {
        "work": found.amount,
        "work_uncertainty": found.uncertainty,
        "work_unit": found.unit,
    }


def work_beside(result: Part, entries: Sequence[Entry]) -> Work:
    """The same, with the seconds of the whole attempt, also those in which it did not run."""
    found = added_work(
        [one.work for one in entries if one.beside],
        "it did not run beside the training" if entries else NOT_TOLD,
    )
    start, end = attempt_span(result)
    lengths = [
        span.end - span.start
        for span in _spans(result)
        if span.within(start, end) and span.start is not None and span.end is not None
    ]
    seconds = max(found.seconds, sum(lengths))
    return Work(seconds, found.amount, found.uncertainty, found.unit, found.missing)


def entries_of(result: Part, job: Part) -> list[Entry]:
    """Its entries stand in the order of the phases, of which it may have missed some."""
    phases, (start, end) = _spans(result), attempt_span(result)
    work, at = job.parts("work"), 0
    kinds = [kind_of(one.text("phase") or "") for one in work]
    last, found = _last_in_a_row(kinds), list[Entry]()
    for number, (one, kind) in enumerate(zip(work, kinds, strict=True)):
        name = one.text("phase") or ""
        place = next((n for n in range(at, len(phases)) if phases[n].name == name), None)
        at = at if place is None else place + 1
        inside = None if place is None else phases[place].within(start, end)
        found.append(Entry(one, kind, number in last if inside is None else inside))
    return found


def _last_in_a_row(kinds: Sequence[str]) -> list[int]:
    """Places of the last phases of the training that no phase of the load alone is between."""
    found, ended = list[int](), False
    for place, kind in enumerate(kinds):
        if kind == "foreground":
            found, ended = [*([] if ended else found), place], False
        ended = ended or kind.startswith("background")
    return found


def _spans(result: Part) -> list[_Span]:
    return [
        _Span(one.text("name") or "", one.time("start"), one.time("end"))
        for one in result.parts("phases")
    ]


def added_work(entries: Sequence[Part], none: str, *, some: bool = False) -> Work:
    """All of them together. some: those whose work is not known are left out as long as there are
    others, and those of no length. none: the reason where there is none."""
    told = [one for one in entries if one.number("amount") is not None]
    known = [one for one in told if one.number("seconds") or not some]
    if not known or (len(known) < len(entries) and not some):
        reasons = [one.text("reason") for one in entries if one.number("amount") is None]
        return Work(missing=next((why for why in reasons if why), none))
    units = {one.text("unit") for one in known}
    if len(units) > 1:
        return Work(missing=OTHER_UNITS)
    bands = [one.number("uncertainty") for one in known]
    return Work(
        sum(one.number("seconds") or 0.0 for one in known),
        sum(one.number("amount") or 0.0 for one in known),
        None if None in bands else sum(band or 0.0 for band in bands),
        units.pop(),
    )
