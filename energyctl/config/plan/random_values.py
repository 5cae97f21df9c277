"""Drawing the values of mutated hyper-parameters, repeatably and without repetitions.

Each draw is a hash of the seed, the experiment, the repetition and the parameter's name, so that
no run depends on which others are planned. The hash, not `random`, makes that hold across versions
of Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from energyctl.config.plan.parameter_space import Space, hashed, scaled
from energyctl.config.registry import Hyperparameter

Combination = tuple[Any, ...]

# Of so many redraws the second half leaves out the zeros that zero_probability adds.
_REDRAWS = 64

CONSTRAINED_REDRAWS = 1000
"""Where constraints may refuse most of what is drawn."""

_MOST_SCANNED = 10_000
"""Combinations that are tried one by one against constraints."""


class ValueDrawer:
    """Values for one experiment's mutated parameters, each combination at most once.

    Never drawn are the defaults of all parameters together, nor what is in `taken`, nor what
    `allowed` refuses. `left` counts the combinations that can still be drawn, refused ones
    included; `earlier` holds those of `taken` that could be.
    """

    def __init__(
        self,
        parameters: Sequence[Hyperparameter],
        *,
        seed: int,
        experiment: int,
        taken: Iterable[Combination] = (),
        allowed: Callable[[dict[str, Any]], bool] | None = None,
    ) -> None:
        self._allowed = allowed
        self._key = f"{seed}\0{experiment}"
        self._spaces = [Space(parameter) for parameter in parameters]
        self._names = tuple(parameter.name for parameter in parameters)
        self._total = math.prod(space.size for space in self._spaces)
        defaults = tuple(parameter.default for parameter in parameters)
        self.earlier = tuple(known for known in dict.fromkeys(taken) if self._holds(known))
        self._known = frozenset(self.earlier)
        self._passed_over: dict[Combination, int] = {}
        self._taken = {*self.earlier, *(known for known in [defaults] if self._holds(known))}
        self.left = self._total - len(self._taken)

    def next(self, repetition: int) -> dict[str, Any]:
        """The values of one run, by name. Raises LookupError where none is left, or none that is
        allowed was found."""
        if self.left <= 0:
            raise LookupError("every combination is used up")
        combination = self._drawn(repetition) or self._scanned(repetition)
        self._taken.add(combination)
        self.left -= 1
        return self._named(combination)

    def left_out(
        self, sources: Mapping[Combination, str]
    ) -> Iterator[tuple[dict[str, Any], int | None, str]]:
        """Of `taken`, what was drawn and left out: its values, for which repetition, its source.

        All of it, some for no repetition, where no combination is left.
        """
        combinations = self.earlier if self.left <= 0 else tuple(self._passed_over)
        for combination in combinations:
            yield self._named(combination), self._passed_over.get(combination), sources[combination]

    def _named(self, combination: Combination) -> dict[str, Any]:
        return dict(zip(self._names, combination, strict=True))

    def _drawn(self, repetition: int) -> Combination | None:
        redraws = _REDRAWS if self._allowed is None else CONSTRAINED_REDRAWS
        for redraw in range(redraws):
            zeros = redraw < redraws // 2
            combination = tuple(
                [
                    space.draw(f"{self._key}\0{repetition}\0{name}\0{redraw}", zeros=zeros)
                    for space, name in zip(self._spaces, self._names, strict=True)
                ]
            )
            if self._is_free(combination, repetition):
                return combination
        return None

    def _scanned(self, repetition: int) -> Combination:
        """The first free combination from a drawn one on; there is one, since some are left, but
        for constraints."""
        start = scaled(hashed(f"{self._key}\0{repetition}"), self._total)
        number = start
        while not self._is_free(combination := self._at(number), repetition):
            number = (number + 1) % self._total
            if self._allowed and (number == start or self._total > _MOST_SCANNED):
                raise LookupError("no combination is allowed")
        return combination

    def _is_free(self, combination: Combination, repetition: int) -> bool:
        if combination not in self._taken:
            return self._allowed is None or self._allowed(self._named(combination))
        if combination in self._known:
            self._passed_over.setdefault(combination, repetition)
        return False

    def _at(self, number: int) -> Combination:
        values = []
        for space in self._spaces:
            number, place = divmod(number, space.size)
            values.append(space.at(place))
        return tuple(values)

    def _holds(self, combination: Combination) -> bool:
        return all(value in space for space, value in zip(self._spaces, combination, strict=True))
