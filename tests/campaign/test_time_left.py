"""When a campaign ends, by its finished runs and by how far the one in progress is."""

from __future__ import annotations

from energyctl.campaign.time_left import TimeLeft


def test_before_a_run_is_finished_it_is_as_planned_or_by_the_progress_of_the_first() -> None:
    assert TimeLeft(0.0).ends(10.0, "alone", ["alone"], None) is None
    assert TimeLeft(0.0, planned=300.0).ends(10.0, "alone", ["alone"], None) == 300.0
    assert TimeLeft(0.0, planned=300.0).ends(10.0, "alone", [], 500.0) == 510.0
    # 10 s and 90 more, then two more like it
    assert TimeLeft(0.0).ends(10.0, "alone", ["alone", "beside"], 90.0) == 300.0


def test_finished_runs_tell_each_for_its_own_condition() -> None:
    left = TimeLeft(0.0, planned=9999.0)
    left.finished("alone", 100.0)
    left.finished("beside", 400.0)
    assert left.ends(410.0, "alone", ["beside", "alone"], None) == 400 + 100 + 300 + 100
    assert left.ends(410.0, "alone", ["not seen yet"], None) == 9999.0  # which may take long
    left.planned = None
    assert left.ends(410.0, "alone", ["not seen yet"], None) == 400 + 100 + 200


def test_a_run_that_takes_longer_than_usual_moves_the_end() -> None:
    left = TimeLeft(0.0)
    left.finished("alone", 100.0)
    assert left.ends(150.0, "alone", ["alone"], 20.0) == 300.0  # usually 100 s, whatever it says
    assert left.ends(150.0, "alone", ["alone"], 150.0) == 400.0
    assert left.ends(250.0, "alone", ["alone"], None) == 350.0  # now, and one more
