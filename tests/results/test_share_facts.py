"""What shares go by, from results: facts, doubts, and why there are none."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from energyctl.results.pairs import DomainShares, facts_of, find_pairs
from energyctl.results.tables import Part
from energyctl.results.tables.part import NoResult
from written_results import span, write_shared_pair

Document = dict[str, Any]
Change = Callable[[Document], Any]
GPU, PACKAGE = "gpu-0", "package-0"


def documents(folder: Path, **more: Any) -> tuple[Document, Document]:
    """Alone, and beside: 14 and 10 s of kernels at 200 W, of 25 s in which both hold a context."""
    return write_shared_pair(folder, 1, **more)


def shares(alone: Document, beside: Document, name: str = GPU) -> DomainShares:
    (pair,) = find_pairs([facts_of(Part(alone)), facts_of(Part(beside))]).pairs
    return pair.domains[name]


def activity(document: Document, name: str, domain: str = GPU) -> Document:
    """Of a span."""
    figures: Document = next(
        one["domains"][domain] for one in document["activity"] if one["span"] == name
    )
    return figures


def domain(document: Document) -> Document:
    figures: Document = document["energy"]["domains"][0]
    return figures


# -- what is refused, and why --------------------------------------------------------------------


def held_down(cause: str, seconds: float, *phases: str) -> Change:
    """In these phases, of which each lasts for 10 s or more."""

    def change(document: Document) -> None:
        for phase in document["phases"]:
            if phase["name"] in ("foreground", "background_only"):
                much = seconds if phase["name"] in phases else 0.0
                phase["state"] = {"gpus": {GPU: {"limited_seconds": {cause: much}}}}

    return change


def foreign(document: Document) -> None:
    processes = [
        {"gpu": 0, "pid": 4711, "command": "render", "attributed": True},
        {"gpu": 0, "pid": 4712, "command": None, "attributed": False},
        {"gpu": 1, "pid": 4713, "command": "other", "attributed": True},
    ]
    document["foreign"] = {"foreground": {"gpu_processes": processes}}


def not_held(document: Document) -> None:
    document["phases"] = [one for one in document["phases"] if one["name"] != "context_held"]


def no_clocks(document: Document) -> None:
    for one in document["activity"]:
        one["domains"][GPU]["mhz"] = None


def both(*changes: Change) -> Change:
    return lambda document: [change(document) for change in changes]


def nothing(document: Document) -> None:
    """As it stands."""


REFUSED: dict[str, tuple[Change, Change, str]] = {
    "memory": (
        lambda one: domain(one).update(kind="dram"),
        nothing,
        "no source tells the memory traffic of each process",
    ),
    "estimate": (
        lambda one: domain(one).update(measured=False),
        nothing,
        "its energy is an estimate",
    ),
    "no energy beside": (
        lambda one: domain(one).update(joules=None),
        nothing,
        "its energy beside the background is not known",
    ),
    "no energy alone": (
        nothing,
        lambda one: domain(one).update(joules=None),
        "its energy of the run alone is not known",
    ),
    "no duration": (
        lambda one: one["energy"].update(seconds=None),
        nothing,
        "a duration is not known",
    ),
    "no context held": (not_held, not_held, 'no phase "context held"'),
    "no idle": (
        lambda one: domain(one).update(above_idle_joules=None),
        nothing,
        "the idle machine: no baseline of the idle machine",
    ),
    "no load": (
        lambda one: domain(one).update(marginal_joules=None),
        nothing,
        "the power of the load alone is not known",
    ),
    "foreign beside": (
        foreign,
        nothing,
        "a foreign process was on it, beside the background: pid 4711 (render)",
    ),
    "foreign alone": (nothing, foreign, "a foreign process was on it, alone: pid 4711 (render)"),
    "heat beside": (
        held_down("heat", 1.0, "foreground"),
        nothing,
        "heat held its clocks down in one of its phases, and not in the others",
    ),
    "heat alone": (
        nothing,
        held_down("heat", 1.0, "foreground"),
        "heat held its clocks down in one of its phases, and whether in another is not known",
    ),
    "power limit": (
        both(held_down("power_cap", 5.0, "foreground"), no_clocks),
        nothing,
        "its power limit acted, and its clocks are not known",
    ),
    "samples lost": (
        lambda one: activity(one, "foreground").update(unknown_seconds=2.5),
        nothing,
        "who kept it busy is not known for 10.0 % of the time",
    ),
    "busy by others": (
        lambda one: activity(one, "load_after").update(other_seconds=1.05),
        nothing,
        "who kept it busy is not known for 10.0 % of the time",
    ),
    "busy by nobody": (
        nothing,
        lambda one: activity(one, "foreground").update(device_seconds=24.0),
        "who kept it busy is not known for 25.0 % of the time",
    ),
    "another stage": (
        lambda one: domain(one).update(joules=10_000.0, above_idle_joules=7500.0),
        nothing,
        "the references explain",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_is_refused_by_name(tmp_path: Path, name: str) -> None:
    change_beside, change_alone, why = REFUSED[name]
    alone, beside = documents(tmp_path)
    assert shares(alone, beside).verdict == "agreed"
    change_beside(beside)
    change_alone(alone)
    found = shares(alone, beside)
    assert found.verdict == "refused"
    assert [why in reason for reason in found.reasons] == [True], found.reasons
    assert found.foreground.value is None
    assert found.activity.missing == found.work.missing == found.reasons[0]


def test_heat_in_all_phases_is_not_refused(tmp_path: Path) -> None:
    alone, beside = documents(tmp_path)
    held_down("heat", 9.0, "foreground", "background_only")(beside)
    held_down("heat", 9.0, "foreground")(alone)
    assert shares(alone, beside).verdict == "agreed"


def test_a_power_limit_with_clocks_makes_the_band_wide(tmp_path: Path) -> None:
    alone, beside = documents(tmp_path)
    sure = shares(alone, beside)
    held_down("power_cap", 5.0, "foreground")(beside)
    activity(beside, "foreground")["mhz"] = 1350.0
    found = shares(alone, beside)
    assert found.verdict == "agreed"
    assert found.foreground.value == pytest.approx(sure.foreground.value)
    assert (found.foreground.uncertainty or 0) > 1.2 * (sure.foreground.uncertainty or 0)


# -- one estimator -------------------------------------------------------------------------------

OVERLAP = (
    "kernels of several processes ran at the same time (as under MPS), so busy times do not divide "
    "what they drew"
)


def test_kernels_at_the_same_time_are_divided_by_work_alone(tmp_path: Path) -> None:
    alone, beside = documents(tmp_path)
    activity(beside, "foreground")["device_seconds"] = 20.0
    found = shares(alone, beside)
    assert found.verdict == "agreed"
    assert found.activity.missing == OVERLAP
    assert found.foreground == found.work.foreground
    assert found.foreground.value == pytest.approx((3600 + 4800 - 3375) / 2)
    del beside["background_info"]["jobs"][0]["work"]
    found = shares(alone, beside)
    assert found.verdict == "refused"
    assert found.reasons[0] == f"activity: {OVERLAP}"
    assert found.reasons[1].startswith("work: background back_large")


def test_busy_times_that_are_not_told_say_why(tmp_path: Path) -> None:
    alone, beside = documents(tmp_path)
    activity(beside, "load_before").update(source=None, missing="accounting mode is off")
    found = shares(alone, beside)
    assert found.verdict == "agreed"
    assert found.activity.missing == "of the load alone: accounting mode is off"
    del beside["activity"]
    found = shares(alone, beside)
    assert found.verdict == "agreed"
    assert "the result has no busy times" in str(found.activity.missing)
    assert found.foreground == found.work.foreground


def test_two_jobs_divide_the_backgrounds_joules_by_busy_time(tmp_path: Path) -> None:
    found = shares(*documents(tmp_path, jobs={"first": 7.5, "second": 2.5}))
    assert found.background.value == pytest.approx(2000.0)
    assert found.jobs == pytest.approx({"first": 1500.0, "second": 500.0})


def test_the_load_is_known_better_from_two_sides(tmp_path: Path) -> None:
    """Each is off by chance by 10 W: their mean by 10 / √2."""
    alone, beside = documents(tmp_path)
    bands = []
    for off in (0.0, 10.0):
        for name in ("load_before", "load_after"):
            activity(beside, name).update(uncertainty_watts=off, busy_uncertainty_seconds=0.0)
        bands.append(shares(alone, beside).foreground.uncertainty or 0.0)
    # x = 2800 J; y = 10 s of 200 W ± 10/0.9 W, by chance beside 4 W or less of all else.
    y = 10 * 10 / 0.9 / math.sqrt(2)
    edges = [4800 * 2800 / (4800 + sign * y) for sign in (-1, 1)]
    assert bands[1] - bands[0] == pytest.approx((edges[0] - edges[1]) / 2, rel=0.25)


def test_the_load_is_that_of_both_sides_together(tmp_path: Path) -> None:
    """10 s busy for 9 at 300 W, then 30 s busy for 12 at 200 W: 225 W, 0.525 of the time, so 200 W
    of kernels."""
    alone, beside = documents(tmp_path)
    after = next(one for one in beside["activity"] if one["span"] == "load_after")
    after |= span("load_after", 30.0, 200.0, (None, 12.0))
    domain(beside)["marginal_joules"] = 7800.0 - 225 * 25
    found = shares(alone, beside)
    assert found.closure == pytest.approx(0.0, abs=1e-9)
    assert found.foreground.value == pytest.approx(2800.0)


def test_a_load_that_drifts_makes_the_band_wide(tmp_path: Path) -> None:
    alone, beside = documents(tmp_path)
    sure = shares(alone, beside).foreground.uncertainty or 0.0
    activity(beside, "load_before")["watts"] = 290.0
    activity(beside, "load_after")["watts"] = 310.0
    edges = [4800 * 2800 / (2800 + 10 * watts / 0.9) for watts in (170, 190)]
    found = shares(alone, beside)
    assert found.foreground.value == pytest.approx(2800.0)
    assert found.foreground.uncertainty == pytest.approx(sure + (edges[0] - edges[1]) / 2)


# -- packages ------------------------------------------------------------------------------------


def packages(folder: Path, joules: float = 7800.0, **busy: Any) -> tuple[Document, Document]:
    """The same of a CPU package, by CPU time: 100 W idle, 10 W for each core that computes."""
    alone, beside = documents(folder)
    seconds = {"alone": 20.0, "beside": 25.0}
    powers = {"alone": 6000.0, "beside": joules}
    for name, document in (("alone", alone), ("beside", beside)):
        domain(document).update(name=PACKAGE, kind="cpu", joules=powers[name])
        domain(document)["above_idle_joules"] = powers[name] - 100 * seconds[name]
        for one in document["activity"]:
            figures = one["domains"].pop(GPU)
            figures |= {"source": "cpu_time", "both_seconds": 0.0, "device_seconds": None}
            for side in ("foreground", "background"):
                if figures[side]:
                    figures[side]["context_seconds"] = 0.0
            one["domains"][PACKAGE] = figures
        not_held(document)
    domain(beside)["marginal_joules"] = joules - 300 * 25
    return alone, beside


def test_a_package_is_divided_by_cpu_time_without_a_context(tmp_path: Path) -> None:
    """Alone 4000 J above idle for 18 CPU seconds; the load 200 W at 0.9 cores: 222 W each."""
    found = shares(*packages(tmp_path), PACKAGE)
    assert found.verdict == "agreed"
    assert (found.context.value, found.foreground_context.value) == (0.0, 0.0)
    assert found.closure == pytest.approx(1 - 24 * 200 / 0.9 / 5300)
    assert found.foreground.value == pytest.approx(5300 * 14 / 24)
    assert found.background.value == pytest.approx(5300 * 10 / 24)


def test_cpu_time_may_be_more_than_the_time(tmp_path: Path) -> None:
    """Eight cores each, which is no overlap of kernels."""
    alone, beside = packages(tmp_path)
    for document in (alone, beside):
        for one in document["activity"]:
            for side in ("foreground", "background"):
                if one["domains"][PACKAGE][side]:
                    one["domains"][PACKAGE][side]["busy_seconds"] *= 8
    found = shares(alone, beside, PACKAGE)
    assert found.activity.missing is None
    assert found.foreground.value == pytest.approx(5300 * 14 / 24)


def test_a_package_of_which_one_uses_next_to_nothing_is_divided_by_work(tmp_path: Path) -> None:
    alone, beside = packages(tmp_path)
    activity(beside, "foreground", PACKAGE)["foreground"]["busy_seconds"] = 0.4
    found = shares(alone, beside, PACKAGE)
    assert found.activity.missing == "one of the two used hardly any CPU time"
    assert found.foreground == found.work.foreground


def test_a_package_whose_power_does_not_move_is_not_refused(tmp_path: Path) -> None:
    """Nothing above idle beside, alone, or of the load: of both 0, within their bands."""
    alone, beside = packages(tmp_path, joules=2501.0)
    domain(alone).update(joules=2000.0, above_idle_joules=0.0)
    domain(beside).update(above_idle_joules=1.0, marginal_joules=1.0)
    found = shares(alone, beside, PACKAGE)
    assert (found.verdict, found.reasons, found.closure) == ("agreed", (), None)
    for figure in (found.foreground, found.background):
        assert figure.value == pytest.approx(0.5)
        assert (figure.uncertainty or 0.0) > 0.5
    parts = (found.idle, found.context, found.foreground, found.background)
    assert sum(one.value or 0.0 for one in parts) == pytest.approx(2501.0, rel=1e-9)


# -- nonsense ------------------------------------------------------------------------------------


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in it."""
    for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
        yield data, key
        if isinstance(value, dict | list):
            yield from places(value)


ODD = (None, math.nan, math.inf, -1.0, 0, 1e300, -1e300, 1e-320, 10**400, True, "x", [], {}, [None])


@pytest.mark.parametrize("number", [0, 1], ids=["alone", "beside"])
@pytest.mark.parametrize("key", ["activity", "phases", "foreign", "energy"])
def test_nonsense_is_refused_or_read_and_breaks_nothing(
    tmp_path: Path, number: int, key: str
) -> None:
    """Figures are numbers, or there is none."""
    good = documents(tmp_path)
    foreign(good[number])
    for place in range(sum(1 for _ in places(good[number][key]))):
        for value in ODD:
            pair = copy.deepcopy(good)
            container, name = list(places(pair[number][key]))[place]
            container[name] = value
            try:
                pairs = find_pairs([facts_of(Part(one)) for one in pair]).pairs
            except NoResult:
                continue
            for one in pairs:
                json.dumps(one.document()["domains"], allow_nan=False)
                one.row()


@pytest.mark.parametrize("seconds", [0.0, -10.0])
def test_a_span_of_no_length_tells_nothing(tmp_path: Path, seconds: float) -> None:
    alone, beside = documents(tmp_path)
    before = next(one for one in beside["activity"] if one["span"] == "load_before")
    before["seconds"] = seconds
    found = shares(alone, beside)
    assert found.verdict == "agreed"
    assert found.foreground.value == pytest.approx(2800.0)
