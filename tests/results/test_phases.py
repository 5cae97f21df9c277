"""One vocabulary: what people read of the phases of a run."""

from __future__ import annotations

import pytest

from energyctl.results.phases import PHASES, phase_words


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("idle", "idle"),
        ("context_held", "context held"),
        ("background_start", "load coming up"),
        ("background_only", "load alone"),
        ("foreground", "training"),
        ("foreground:train", "training (train)"),
        ("between_steps", "between steps"),
        ("step:prepare", "prepare (not metered)"),
        ("background_stop", "load going down"),
        ("cooldown", "cool-down"),
        ("of a later version", "of a later version"),
    ],
)
def test_a_phase_in_words(phase: str, words: str) -> None:
    assert phase_words(phase) == words


def test_a_step_may_be_given_apart() -> None:
    assert phase_words("foreground", "train") == phase_words("foreground:train")
    assert phase_words("step", "prepare") == phase_words("step:prepare")
    assert phase_words("idle", None) == "idle"


def test_each_phase_has_a_colour_in_the_charts() -> None:
    from energyctl.analysis.charts.themes import PHASE_COLOURS

    assert tuple(PHASE_COLOURS) == PHASES
