"""A hostile clone, training or stranger gets nothing through `sudo energyctl`, with the real sudo.

Each attack ends with: nothing of root's or of the stranger's was read, written or ended. All of
them, and each under Ctrl-C: tests/benchmarks/hostile.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.hostile import helper_is_small, try_out
from benchmarks.sudo_accounts import Unavailable, sudo_stage
from benchmarks.sudo_stage import SudoStage


@pytest.fixture(scope="module")
def place() -> Iterator[SudoStage]:
    try:
        with sudo_stage() as made:
            yield made
    except Unavailable as error:
        pytest.skip(f"no user with a real sudo: {error}")


@pytest.mark.parametrize(
    "attack",
    [
        "imports",  # code of the clone
        "note-of-stranger",  # a process of another's
        "earlier",  # one from before
        "results-renamed",  # writing through a link
        "log-to-secret",  # reading through a link
        "log-to-fifo",
        "debugger",  # the helper's socket
        "lock-file",
        "lock-note",  # escapes for the terminal
    ],
)
def test_nothing_of_others_is_read_written_or_ended(place: SudoStage, attack: str) -> None:
    trial = try_out(place, attack, interrupt=False)
    assert trial.violations == []


def test_ctrl_c_ends_a_campaign_under_sudo_at_once(place: SudoStage) -> None:
    trial = try_out(place, "signals")
    assert trial.violations == []
    assert trial.roots == 1  # the helper
    assert trial.end_seconds is not None


def test_the_helper_is_small_and_of_the_standard_library() -> None:
    assert helper_is_small() == []
