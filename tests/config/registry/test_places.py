"""Places in the registry: one for each role."""

from __future__ import annotations

from typing import Any

import pytest

from energyctl.config import registry


def problems(place: Any) -> list[str]:
    entry = {"train_script": "t.py", "models": ["m"], "place": place}
    found = registry.problems({"models": {"r": entry}})
    return [f"{p.where}: {p.message}; {p.suggestion}" for p in found]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"gpus": [1]}, 'models.r.place.gpus: is no role; roles are "foreground" and "background"'),
        ({"background": {"gpu": [1]}}, 'models.r.place.background.gpu: is not a field; write "gpu'),
        ({"background": [{"gpus": [1]}]}, "models.r.place.background: must be an object"),
        ({"foreground": {"cpus": "3-1"}}, "models.r.place.foreground.cpus: '3-1' is no range"),
    ],
)
def test_a_wrong_place_is_an_error_with_its_place(place: Any, says: str) -> None:
    (problem,) = problems(place)
    assert problem.startswith(says)


def test_a_role_may_be_without_a_place() -> None:
    assert problems({"foreground": {"gpus": ["GPU-8f"]}, "comment": "the card of the window"}) == []
