"""Which stretches of a run its foreground's energy is compared with, and the waits for them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from types import SimpleNamespace
from typing import Any

import pytest

from energyctl.campaign.added_energy import load_alone
from energyctl.campaign.baselines import (
    Blocks,
    cycles_wanted,
    idle_after,
    idle_blocks,
    load_blocks,
    watch_load_after,
    watch_load_before,
)
from energyctl.config.settings import Settle
from energyctl.energy import Domain, EnergyAboveBaseline, Phase, Recording, above, series_for
from energyctl.errors import BackgroundLost, Interrupted
from energyctl.results.cycles import Cycle

SETTLE = Settle(seconds=10, timeout_seconds=300)
PHASES = (
    Phase("idle", 0.0, 10.0),
    Phase("background_start", 10.0, 90.0),
    Phase("background_only", 90.0, 100.0),
    Phase("foreground", 100.0, 200.0),
    Phase("background_only", 200.0, 300.0),
    Phase("background_stop", 300.0, 302.0),
    Phase("cooldown", 302.0, 362.0),
)


def cycles(first: float, seconds: float, last: float = 300.0) -> list[Cycle]:
    count = int((last - first) / seconds)
    return [Cycle(s, e) for s, e in pairwise(first + i * seconds for i in range(count + 1))]


def around(
    phases: tuple[Phase, ...] = PHASES,
    since: float = 0.0,
    settle: Settle = SETTLE,
    **jobs: list[Cycle],
) -> Blocks:
    start, end = next((p.start, p.end) for p in reversed(phases) if p.name == "foreground")
    cycles = {job: (own, "iteration") for job, own in jobs.items()}
    return load_blocks(phases, cycles, start, end, settle, since)


@pytest.mark.parametrize(
    ("typical", "wanted"),
    [(0.3, 34), (2.0, 5), (5.0, 3), (60.0, 3), (100.0, 3), (110.0, 2), (200.0, 1), (301.0, 0)],
)
def test_cycles_are_three_at_least_and_fit_into_the_time(typical: float, wanted: int) -> None:
    assert cycles_wanted(typical, SETTLE) == wanted


def test_a_settle_longer_than_its_timeout_is_kept_to() -> None:
    assert cycles_wanted(1.0, Settle(seconds=20, timeout_seconds=5)) == 20


def test_the_last_whole_cycles_before_and_the_first_after_are_taken() -> None:
    blocks = around(back=cycles(11.0, 20.0))  # 11, 31, 51, 71, 91 and 211, 231...
    assert (blocks.unit, blocks.cycle_seconds, blocks.missing) == ("iterations", 20.0, None)
    assert blocks.before == [(31.0, 51.0), (51.0, 71.0), (71.0, 91.0)]
    assert blocks.after == [(211.0, 231.0), (231.0, 251.0), (251.0, 271.0)]
    assert (blocks.before_seconds, blocks.after_seconds) == (60.0, 60.0)


def test_how_much_the_cycles_vary_is_told_about_the_mean_of_each_side() -> None:
    edges = (40.0, 50.0, 70.0, 80.0)  # 10, 20, 10 s, and twice 5 s after it
    jobs = [Cycle(a, b) for a, b in pairwise(edges)] + cycles(200.0, 5.0, 211.0)
    found = around(back=jobs).cycle_deviation_seconds
    assert found == pytest.approx(sqrt((2 * (10 / 3) ** 2 + (20 / 3) ** 2) / (5 - 2)))
    assert around(back=jobs[1:2] + jobs[3:4]).cycle_deviation_seconds == pytest.approx(15 / sqrt(2))
    assert around(back=jobs[:1]).cycle_deviation_seconds is None


def test_epochs_stand_in_for_iterations_that_are_too_long() -> None:
    jobs = {"slow": (cycles(11.0, 20.0), "epoch"), "quick": (cycles(10.0, 1.0), "iteration")}
    blocks = load_blocks(PHASES, jobs, 100.0, 200.0, SETTLE)
    assert (blocks.unit, blocks.cycle_seconds, len(blocks.after)) == ("epochs", 20.0, 3)
    blocks = load_blocks(PHASES, {"slow": ([], "epoch")}, 100.0, 200.0, SETTLE)
    assert blocks.missing == (
        "the epoch of background slow is longer than its baseline (90 s): set "
        "settle.timeout_seconds to three of them, or make them shorter"
    )


def test_cycles_from_before_the_load_was_up_do_not_count() -> None:
    assert len(around(since=40.0, back=cycles(11.0, 20.0)).before) == 2


def test_after_a_short_end_there_are_as_many_as_there_were() -> None:
    cut = (*PHASES[:4], Phase("background_only", 200.0, 240.0), Phase("background_stop", 240, 242))
    assert around(cut, back=cycles(11.0, 20.0)).after == [(211.0, 231.0)]
    assert around(PHASES[:4], back=cycles(11.0, 20.0)).after == []


def test_the_job_with_the_longest_cycles_tells_the_blocks() -> None:
    blocks = around(quick=cycles(10.0, 1.0), slow=cycles(11.0, 20.0))
    assert blocks.cycle_seconds == 20.0


def test_a_single_iteration_before_says_how_long_three_are() -> None:
    assert around(back=cycles(11.0, 20.0)).single is None
    blocks = around(settle=Settle(seconds=10, timeout_seconds=187), back=cycles(15.0, 62.5))
    assert (blocks.before, len(blocks.after)) == ([(15.0, 77.5)], 1)
    seen = (
        "a single iteration of the background (1 min 02 s; usually 1 min 02 s), too few to "
        "tell how much they differ"
    )
    assert blocks.single == (
        f"{seen}: set settle.timeout_seconds to 188 or more, which is three of them, or make them "
        "shorter"
    )
    longer = around(settle=Settle(seconds=10, timeout_seconds=188), back=cycles(15.0, 62.5))
    assert longer.single == seen
    assert around(back=[]).single is None


def above_load_alone(jobs: list[Cycle]) -> tuple[EnergyAboveBaseline, list[str]]:
    """(what was added, its warnings), of 50 W, and 100 W more while the foreground runs."""
    package = Domain("package-0", "cpu", "powercap")
    series = series_for(package)
    for second in range(363):
        series.append(float(second), 50.0 * second + 100.0 * min(max(0, second - 100), 100))
    recording = Recording((package,), {package.name: series}, PHASES, 1.0)
    energy = recording.energy(100.0, 200.0)
    run, group = SimpleNamespace(mode="parallel"), SimpleNamespace()
    group.cycles_in_units = lambda longest: {"back": (jobs, "iteration")}
    live: Any = SimpleNamespace(run=run, load_alone=SETTLE, loaded_since=None)
    found = load_alone(live, recording, energy, group)  # type: ignore[arg-type]
    total, _ = above(energy, found.baseline)
    return total, found.warnings("marginal_joules", total)


def test_a_single_iteration_before_is_a_warning_and_without_another_after_it_null() -> None:
    added, warnings = above_load_alone(cycles(11.0, 20.0))
    assert (added.joules, warnings) == (pytest.approx(10_000), [])
    added, warnings = above_load_alone(cycles(15.0, 62.5))
    assert added.joules == pytest.approx(10_000)
    assert warnings[0].startswith("the baseline of marginal_joules before the training is a single")
    added, warnings = above_load_alone(cycles(11.0, 62.5))
    assert (added.joules, len(warnings)) == (None, 1)
    assert str(added.missing).startswith("its baseline is a single iteration of the background")
    added, _ = above_load_alone([Cycle(98.75, 99.0)])
    assert str(added.missing) == "its 0.2 s are too short for a baseline"


def test_an_iteration_longer_than_the_load_alone_is_no_baseline() -> None:
    blocks = around(quick=cycles(10.0, 1.0), slow=[])
    assert blocks.before == ()
    assert "iteration of background slow is longer than its baseline (90 s)" in str(blocks.missing)


def test_a_job_that_was_away_meanwhile_is_named() -> None:
    away = cycles(10.0, 1.0, last=60.0) + cycles(85.0, 1.0)
    blocks = around(steady=cycles(11.0, 20.0), often=away)
    assert blocks.missing == "background often ran for only 58.3 % of its baseline"


def test_of_a_background_that_was_started_anew_only_the_new_one_counts() -> None:
    phases = (
        *PHASES[:3],
        Phase("background_stop", 100.0, 102.0),
        Phase("background_start", 102.0, 150.0),
        Phase("background_only", 150.0, 160.0),
        Phase("foreground", 160.0, 200.0),
    )
    blocks = around(phases, back=cycles(11.0, 20.0))
    assert blocks.before == [(111.0, 131.0), (131.0, 151.0)]


def test_the_time_between_two_attempts_is_load_alone_too() -> None:
    phases = (
        *PHASES[:4],
        Phase("background_only", 200.0, 240.0),
        Phase("foreground", 240.0, 280.0),
    )
    blocks = around(phases, back=cycles(11.0, 20.0))
    assert blocks.before == [(51.0, 71.0), (71.0, 91.0), (211.0, 231.0)]


def test_steps_that_are_not_metered_are_no_load_alone() -> None:
    steps = (
        *PHASES[:3],
        Phase("foreground", 100.0, 140.0),
        Phase("step:test", 140.0, 200.0),
        *PHASES[4:],
    )
    assert around(steps, back=cycles(11.0, 20.0)).after[0] == (211.0, 231.0)


def test_idle_is_seen_before_and_at_the_end_of_the_cool_down() -> None:
    blocks = idle_blocks(PHASES, 100.0, 200.0, 10.0)
    assert blocks.before == ((0.0, 2.5), (2.5, 5.0), (5.0, 7.5), (7.5, 10.0))
    assert blocks.after == ((352.0, 354.5), (354.5, 357.0), (357.0, 359.5), (359.5, 362.0))
    assert blocks.cycle_seconds is None


@pytest.mark.parametrize("seconds", [61.0, 0.0])
def test_a_cool_down_that_is_too_short_shows_nothing(seconds: float) -> None:
    assert idle_after(PHASES, 200.0, seconds) == ()


def test_without_the_phase_idle_the_reason_is_told() -> None:
    blocks = idle_blocks(PHASES[1:], 100.0, 200.0, 10.0)
    assert blocks.missing == "there is no phase idle before it"


class Waiting:
    """A run in progress on a clock of its own, its background in cycles from the time 0 on."""

    def __init__(self, now: float, seconds: float, since: float | None = None) -> None:
        self.now, self.since, self.warnings = now, since, list[str]()
        self.load_alone, self.run = SETTLE, SimpleNamespace(references=None)
        self.sampler = SimpleNamespace(latest=lambda: SimpleNamespace(phase_since_unix=now))
        self.background = SimpleNamespace(
            cycles=lambda longest: {"back": cycles(0.0, seconds, self.now)}
        )
        self.attempts = [SimpleNamespace(start=now - 50)]
        self.loaded_since = since
        self.ends: Exception | None = None

    def look(self) -> None:
        """At an edge."""

    def pause(
        self,
        seconds: float,
        until: Callable[[], bool] = lambda: False,
        look_seconds: float = 0.5,
    ) -> None:
        assert 0.1 <= look_seconds <= 0.5
        deadline = self.now + seconds
        while self.now < deadline and not until():
            self.now += 0.5
            if self.ends is not None:
                raise self.ends


def waited(live: Any) -> float:
    began = live.now
    watch_load_before(live, live.background)
    return float(live.now - began)


@pytest.mark.parametrize(
    ("now", "seconds", "since", "wait"),
    [
        (100.0, 2.0, None, 0.0),  # settling has seen enough of them
        (45.0, 20.0, None, 15.0),  # 20, 40, and one more at 60
        (100.0, 20.0, 70.0, 40.0),  # from 80 on: 100, 120, 140
        (45.0, 60.0, None, 10.0),  # none seen yet: what settle.seconds says
        (55.0, 60.0, None, 125.0),  # the first one is seen until then
        (310.0, 305.0, None, 10.0),  # too long for the time there is
        (160.0, 150.0, None, 140.0),  # two, and no more
    ],
)
def test_what_is_missing_of_the_cycles_before_is_waited_for(
    now: float, seconds: float, since: float | None, wait: float
) -> None:
    assert waited(Waiting(now, seconds, since)) == pytest.approx(wait, abs=1)


@pytest.mark.parametrize(
    ("seconds", "until"), [(2.0, 210.0), (20.0, 260.0), (60.0, 420.0), (160.0, 200.0)]
)
def test_as_many_cycles_are_waited_for_after_it(seconds: float, until: float) -> None:
    live: Any = Waiting(200.0, seconds)
    watch_load_after(live)
    assert live.now == pytest.approx(until, abs=1)
    assert live.warnings == []


def test_cycles_that_do_not_come_are_not_waited_for_without_end() -> None:
    live: Any = Waiting(100.0, 20.0)
    stopped = cycles(0.0, 20.0, 100.0)
    live.background = SimpleNamespace(cycles=lambda longest: {"back": stopped})
    watch_load_after(live)
    assert live.now == pytest.approx(100 + 1.5 * 4 * 20, abs=1)


@pytest.mark.parametrize("end", [Interrupted(15), BackgroundLost("it is gone")])
def test_what_ends_the_wait_after_a_training_takes_nothing_from_it(end: Exception) -> None:
    live: Any = Waiting(100.0, 20.0)
    live.ends = end
    watch_load_after(live)
    (warning,) = live.warnings
    assert warning == f"the load alone was not watched to its end: {end}"


def test_a_job_that_nothing_was_seen_of_leaves_nothing_to_wait_for() -> None:
    live: Any = Waiting(200.0, 20.0)
    jobs = {"back": cycles(0.0, 20.0, 200.0), "long": []}
    live.background = SimpleNamespace(cycles=lambda longest: jobs)
    watch_load_after(live)
    assert live.now == 200.0
    assert waited(live) == SETTLE.seconds


def test_without_a_background_nothing_is_waited_for() -> None:
    live: Any = Waiting(100.0, 20.0)
    live.background = None
    watch_load_after(live)
    assert live.now == 100.0
