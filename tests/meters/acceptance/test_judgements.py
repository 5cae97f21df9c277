"""What passes, and what is said of what does not."""

from __future__ import annotations

from energyctl.meters.acceptance import judgements
from energyctl.meters.acceptance.estimators import Delay, Pace
from energyctl.meters.acceptance.judgements import Metered

PACE = Pace(0.1, 0.002, 0.0)


def test_a_machine_is_quiet_where_nobody_else_works_on_it() -> None:
    assert judgements.quiet(0.1, True).passed
    busy = judgements.quiet(0.4, True)
    assert (busy.passed, busy.sentence) == (False, "others keep 0.4 cores busy: end them")
    assert not judgements.quiet(0.1, False).passed
    assert not judgements.quiet(None, True, ["who else runs is not known: no /proc"]).passed


def test_a_counter_must_be_read_in_time_with_all_others() -> None:
    assert judgements.counter(PACE, 0.002, 8).passed
    slow = judgements.counter(PACE, 0.004, 8)
    assert not slow.passed
    assert "reading 8 GPUs takes 32 ms, more than 25 ms" in slow.sentence
    assert not judgements.counter(None, 0.001, 1).passed


def test_idle_power_may_wander_by_two_watts_or_three_percent() -> None:
    assert judgements.idle([50.0, 51.9]).passed
    assert not judgements.idle([50.0, 52.1]).passed
    assert judgements.idle([100.0, 102.9]).passed
    assert not judgements.idle([100.0, 103.2]).passed


def test_a_delay_must_be_known_well() -> None:
    found = judgements.delay(Delay(0.1, 0.002, 0.101, 0.099, 56))
    assert (found.passed, found.sentence) == (True, "energy is shown 100.0 ± 2.0 ms late")
    assert not judgements.delay(Delay(0.1, 0.012, 0.1, 0.1, 56)).passed


def test_counter_and_power_reading_must_agree_to_a_percent_and_a_watt() -> None:
    assert judgements.steady([(102.0, 101.0), (303.9, 300.0)]).passed
    scaled = judgements.steady([(157.5, 150.0), (315.0, 300.0)])
    assert not scaled.passed
    assert "by up to 5.0 %" in scaled.sentence
    assert not judgements.steady([(100.0, None)]).passed


def runs(*off: float) -> list[Metered]:
    return [
        Metered(8.0, 3000.0 + 2 * units + joules, 20.0, 10.0, units)
        for units, joules in zip((100.0, 200.0, 300.0, 400.0, 500.0), off, strict=True)
    ]


def test_repeated_runs_must_lie_within_their_own_bands() -> None:
    assert judgements.repeats(runs(1, -2, 2, -2, 1)).passed
    wide = judgements.repeats(runs(40, -80, 80, -80, 40))
    assert not wide.passed
    assert "more than 0.5 %, only 0 % of them within their own band" in wide.sentence


def test_nothing_must_add_nothing() -> None:
    around = Metered(8.0, 800.0, 8.0, 8.0)
    assert judgements.null({"alone": (around, Metered(10.0, 1015.0, 10.0, 10.0), around)}).passed
    added = judgements.null({"alone": (around, Metered(10.0, 1025.0, 10.0, 10.0), around)})
    assert not added.passed
    assert "alone it adds 25 ± 20 J" in added.sentence
    drifting = Metered(8.0, 840.0, 8.0, 8.0)  # by 5 W: half of that for 10 s is in the band
    assert judgements.null({"alone": (around, Metered(10.0, 1060.0, 10.0, 10.0), drifting)}).passed
