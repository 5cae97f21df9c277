"""The state of the running campaign, published for ``status`` and ``watch``."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from typing_extensions import TypedDict

from energyctl.campaign.observer import Observer, View
from energyctl.results import shape
from energyctl.results.schema import Result
from energyctl.system.files import read_regular

LARGEST_BYTES = 16 * 2**20
EVERY_SECONDS = 1.0


@dataclass
class StatusFile:
    """Passes everything on to *inner*, and writes the latest view to *path*, each *every* seconds.

    *last*: the highest number of a run. *results*: the results folder. *ends*: when the campaign is
    expected to end (Unix seconds), where that is known. *more*: what else the record holds.
    """

    inner: Observer
    path: Path
    last: int
    results: Path
    ends: Callable[[], float | None] = lambda: None
    every: float = EVERY_SECONDS
    more: Mapping[str, Any] = field(default_factory=dict)
    _last: float = field(default=0.0)
    _phase: str = ""

    def view(self, view: View) -> None:
        now = time.monotonic()
        if now - self._last >= self.every or view.phase != self._phase:
            self._last, self._phase = now, view.phase
            record = {
                "time": time.time(),
                "pid": os.getpid(),
                "runs": self.last,
                "results": str(self.results),
                "ends": self.ends(),
                **self.more,
                **asdict(view),
            }
            fresh = self.path.with_suffix(".new")
            # A full disk must not end a measurement.
            with contextlib.suppress(OSError):
                fresh.write_text(json.dumps(record), encoding="utf-8")
                fresh.replace(self.path)
        self.inner.view(view)

    def say(self, text: str) -> None:
        self.inner.say(text)

    def finished(self, index: int, result: Result) -> None:
        self.inner.finished(index, result)


def read_state(runtime: Path) -> dict[str, Any] | None:
    """What the campaign published last; None where none is running."""
    return read_published(runtime / "state.json")


class _Record(TypedDict, total=False):
    """What is published beside the view."""

    time: float
    pid: int
    runs: int
    results: str
    ends: float | None


def read_published(path: Path) -> dict[str, Any] | None:
    """What was published there last, in which a view can be; None where nothing is."""
    try:
        data = shape.parse(read_regular(path, LARGEST_BYTES))
    except (OSError, ValueError):
        return None
    if shape.fault(data, View) or shape.fault(data, _Record):
        return None
    return cast(dict[str, Any], data)
