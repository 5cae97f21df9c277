"""Looks at the clocks of GPUs and CPUs, and at what holds them down; what they say of an interval.

A look is of one instant. It stands for the time since the look before; the last one in an interval
also for what is left of it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from itertools import pairwise
from math import isnan, nan
from typing import TypeVar, get_args

from energyctl.energy.schema import CpuStateJson, GpuStateJson, Limit, StateJson

LIMITS: tuple[Limit, ...] = get_args(Limit)

Figures = TypeVar("Figures", GpuStateJson, CpuStateJson)

_NOT_TOLD = -1
NOT_TOLD_HERE = "this machine does not report it"
NO_LOOK = "it was not looked at in this time"
ONE_LOOK = "it was looked at only once in this time"


class GpuClocks:
    """Looks at one GPU, in the order of time (Unix seconds)."""

    def __init__(self) -> None:
        self._times = array("d")
        self._sm_mhz, self._memory_mhz = array("f"), array("f")
        self._states, self._limits = array("b"), array("b")

    def add(
        self,
        time: float,
        sm_mhz: float | None,
        memory_mhz: float | None,
        performance_state: int | None,
        limits: Collection[Limit] | None,
    ) -> None:
        """performance_state: 0 for P0, the fastest. limits: what holds the clocks down now."""
        if self._times and time <= self._times[-1]:
            return
        self._times.append(time)
        self._sm_mhz.append(nan if sm_mhz is None else sm_mhz)
        self._memory_mhz.append(nan if memory_mhz is None else memory_mhz)
        self._states.append(_NOT_TOLD if performance_state is None else performance_state)
        self._limits.append(_NOT_TOLD if limits is None else _bits(limits))

    def between(self, start: float, end: float) -> GpuStateJson:
        looks, seconds = _inside(self._times, start, end)
        states = _seconds_by_value(seconds, self._states[looks])
        limits = _seconds_by_value(seconds, self._limits[looks])
        by_limit: dict[Limit, float] = {
            limit: sum(s for bits, s in limits.items() if bits >> place & 1)
            for place, limit in enumerate(LIMITS)
        }
        figures: GpuStateJson = {
            "looks": len(seconds),
            "sm_mhz": _mean(seconds, self._sm_mhz[looks]),
            "memory_mhz": _mean(seconds, self._memory_mhz[looks]),
            "performance_state_seconds": {f"P{n}": states[n] for n in sorted(states)} or None,
            "limited_seconds": by_limit if limits else None,
        }
        return _with_reasons(figures)


class CpuClocks:
    """Looks at one package, in the order of time (Unix seconds)."""

    def __init__(self) -> None:
        self._times, self._mhz = array("d"), array("f")
        self._counts, self._milliseconds = array("q"), array("q")

    def add(
        self, time: float, mhz: float | None, count: int | None, milliseconds: int | None
    ) -> None:
        """count, milliseconds: how often and how long heat has throttled it, ever since."""
        if self._times and time <= self._times[-1]:
            return
        self._times.append(time)
        self._mhz.append(nan if mhz is None else mhz)
        self._counts.append(_NOT_TOLD if count is None else count)
        self._milliseconds.append(_NOT_TOLD if milliseconds is None else milliseconds)

    def between(self, start: float, end: float) -> CpuStateJson:
        looks, seconds = _inside(self._times, start, end)
        edges = [_nearest(self._times, instant) for instant in (start, end)]
        milliseconds = _growth(self._milliseconds, edges)
        figures: CpuStateJson = {
            "looks": len(seconds),
            "mhz": _mean(seconds, self._mhz[looks]),
            "throttle_count": _growth(self._counts, edges),
            "throttle_seconds": None if milliseconds is None else milliseconds / 1000,
        }
        return _with_reasons(figures)


class DeviceStates:
    """All looks of a recording, by the name of the GPU or package."""

    def __init__(self) -> None:
        self.gpus: dict[str, GpuClocks] = {}
        self.cpus: dict[str, CpuClocks] = {}

    def between(self, start: float, end: float) -> StateJson:
        gpus = {name: looks.between(start, end) for name, looks in self.gpus.items()}
        cpus = {name: looks.between(start, end) for name, looks in self.cpus.items()}
        state: StateJson = {
            "gpus": {name: figures for name, figures in gpus.items() if figures["looks"]},
            "cpus": {name: figures for name, figures in cpus.items() if figures["looks"]},
        }
        unseen = (gpus.keys() - state["gpus"].keys()) | (cpus.keys() - state["cpus"].keys())
        if unseen:
            state["missing"] = dict.fromkeys(sorted(unseen), NO_LOOK)
        return state


def _bits(limits: Collection[Limit]) -> int:
    return sum(1 << place for place, limit in enumerate(LIMITS) if limit in limits)


def _inside(times: Sequence[float], start: float, end: float) -> tuple[slice, list[float]]:
    """The looks from *start* to *end*, and the seconds that each of them stands for."""
    first, last = bisect_left(times, start), bisect_right(times, end)
    if last <= first:
        return slice(0, 0), []
    edges = [start, *times[first : last - 1], end]
    return slice(first, last), [after - before for before, after in pairwise(edges)]


def _nearest(times: Sequence[float], instant: float) -> int:
    place = bisect_left(times, instant)
    around = [p for p in (place - 1, place) if 0 <= p < len(times)]
    return min(around, key=lambda p: abs(times[p] - instant))


def _mean(seconds: Sequence[float], values: Sequence[float]) -> float | None:
    known = [(s, value) for s, value in zip(seconds, values, strict=True) if not isnan(value)]
    total = sum(s for s, _ in known)
    return sum(s * value for s, value in known) / total if total else None


def _seconds_by_value(seconds: Sequence[float], values: Sequence[int]) -> dict[int, float]:
    """Value → seconds, of the whole interval: looks without a value are like those with one."""
    by_value: dict[int, float] = {}
    for s, value in zip(seconds, values, strict=True):
        if value != _NOT_TOLD:
            by_value[value] = by_value.get(value, 0.0) + s
    known = sum(by_value.values())
    return {v: s * sum(seconds) / known for v, s in by_value.items()} if known else {}


def _growth(counter: Sequence[int], edges: Sequence[int]) -> int | None:
    """Between two looks; None where they are one, or it was not told."""
    first, last = counter[edges[0]], counter[edges[1]]
    known = first != _NOT_TOLD and first <= last and edges[0] != edges[1]
    return last - first if known else None


def _with_reasons(figures: Figures) -> Figures:
    why = ONE_LOOK if figures["looks"] == 1 else NOT_TOLD_HERE
    missing = {name: why for name, figure in figures.items() if figure is None}
    if missing:
        figures["missing"] = missing
    return figures
