"""What no other beats in both of two figures: the Pareto front, of points and of bands. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal


def pareto(
    points: Sequence[Mapping[str, Any]], minimise_x: bool = True, maximise_y: bool = True
) -> list[bool]:
    """For each point whether it is on the front: no other is as good in both and better in one.

    Equal points are all on it; a point without x or y never is.
    """
    places = [(_sign(p["x"], minimise_x), _sign(p["y"], not maximise_y)) for p in points]
    front = [False] * len(places)
    before = least = math.inf
    x_now: float | None = None
    known = [(x, y, i) for i, (x, y) in enumerate(places) if x is not None and y is not None]
    for x, y, index in sorted(known):
        if x != x_now:
            before, least, x_now = min(before, least), y, x
        front[index] = y == least and y < before
    return front


def _sign(value: Any, minimise: bool) -> float | None:
    number = math.nan if value is None else float(value)
    if not math.isfinite(number):
        return None
    return number if minimise else -number


Standing = Literal["sure", "likely", "maybe", "off"]
"""On the front wherever in their bands the points lie; where they are in the middle; where they may
be; or nowhere."""


def standings(points: Sequence[tuple[float, float, float]]) -> list[Standing]:
    """For each (least x, greatest x, y) where it stands on the front of less x and more y."""
    middle = pareto([{"x": (least + most) / 2, "y": y} for least, most, y in points])
    return [_standing(place, points, on) for place, on in enumerate(middle)]


def _standing(place: int, points: Sequence[tuple[float, float, float]], middle: bool) -> Standing:
    low, high, y = points[place]
    beaten = False
    for number, (least, greatest, other) in enumerate(points):
        if number == place or other < y:
            continue
        if greatest < low or (greatest == low and other > y):  # wherever both lie
            return "off"
        beaten = beaten or least < high or (least == high and other > y)
    if not beaten:
        return "sure"
    return "likely" if middle else "maybe"
