"""Drivers, and sources of others, that do not return from their opening."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from energyctl.campaign.facts import machine_facts
from energyctl.energy import Domain
from energyctl.meters import discovery, missing_kinds, open_meters
from energyctl.meters import gpu_facts as facts
from energyctl.meters.base import NotReported
from energyctl.system.timeouts import CallTimeout, TimeLimitedCaller, call_within
from hardware.meter import ScriptedMeter


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What hangs waits for this; afterwards no call is left."""
    event = threading.Event()
    yield event
    event.set()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.endswith("-call")])


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.01)


class FakeEntryPoint:
    """An entry point that hangs until `released`, and opens `source` then."""

    def __init__(self, name: str, released: threading.Event, source: Any = None) -> None:
        self.name, self.value = name, "a_module:open_source"
        self._released, self._source = released, source

    def load(self) -> Callable[[object], Any]:
        def open_source(wanted: object) -> Any:
            self._released.wait()
            return self._source

        return open_source


def test_results_and_errors_pass_through() -> None:
    assert call_within(10, "quick", lambda: 3) == 3
    with pytest.raises(TimeoutError, match="of its own"):
        call_within(10, "quick", lambda: fail(TimeoutError("of its own")))


def fail(error: BaseException) -> None:
    raise error


def test_a_call_that_hangs_is_given_up_and_not_made_again(released: threading.Event) -> None:
    made: list[int] = []

    def call() -> None:
        made.append(1)
        released.wait()

    with pytest.raises(CallTimeout, match=r"slow has not answered for 0\.1 s"):
        call_within(0.1, "slow", call)
    with pytest.raises(CallTimeout, match="earlier"):
        call_within(600, "slow", call)
    assert len(made) == 1


def test_what_comes_too_late_is_given_back(released: threading.Event) -> None:
    late: list[str] = []
    with pytest.raises(CallTimeout):
        call_within(0.01, "slow", lambda: str(released.wait()), discard=late.append)
    assert late == []
    released.set()
    wait_until(lambda: late == ["True"])


def test_what_comes_in_the_instant_of_giving_up_is_had_by_one_side_and_once() -> None:
    caller = TimeLimitedCaller("quick")
    taken: list[int] = []
    given_back: list[int] = []
    calls = range(100)
    for number in calls:
        try:
            taken.append(caller.call(lambda value=number: value, 0.0, given_back.append))
        except CallTimeout:
            wait_until(lambda: not caller.hangs)
    caller.close()
    wait_until(lambda: len(taken) + len(given_back) >= len(calls))
    assert sorted(taken + given_back) == list(calls)


def test_a_wait_can_be_interrupted(released: threading.Event) -> None:
    def call() -> None:
        os.kill(os.getpid(), signal.SIGINT)  # as a Ctrl-C in the terminal
        released.wait()

    with pytest.raises(KeyboardInterrupt):
        call_within(600, "slow", call)


def test_a_driver_that_hangs_leaves_no_total_without_its_gpus(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    monkeypatch.setattr(discovery, "DRIVER_SECONDS", 0.05)
    monkeypatch.setattr(
        discovery, "source_entry_points", lambda: [FakeEntryPoint("nvml", released)]
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (source,), warnings = open_meters()
    (domain,) = source.domains()
    assert (domain.name, domain.in_total) == ("gpu", True)
    assert domain.missing == "the NVIDIA driver hangs: nvml has not answered for 0.05 s"
    assert warnings == [f"not measured: gpu: {domain.missing}"]
    assert missing_kinds([source], ["gpu"]) == [f"gpu cannot be measured: {domain.missing}"]
    with pytest.raises(NotReported, match="hangs"):
        source.processes()
    # Nor does anything else wait for it once more.
    assert machine_facts()["gpus"] is None
    assert open_meters(gpus=[])[0][0].domains() == ()


def test_a_source_of_others_that_hangs_is_a_warning_and_closed_when_it_comes(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    closed = threading.Event()

    class Late(ScriptedMeter):
        def close(self) -> None:
            closed.set()

    late = Late({Domain("plug", "other", "plug", in_total=False): lambda now: now})
    monkeypatch.setattr(discovery, "DRIVER_SECONDS", 0.05)
    monkeypatch.setattr(
        discovery, "source_entry_points", lambda: [FakeEntryPoint("plug", released, late)]
    )
    sources, warnings = open_meters()
    assert sources == []
    assert warnings == [
        "the source plug (a_module:open_source) cannot be opened: plug has not answered for 0.05 s"
    ]
    released.set()
    assert closed.wait(20)


def test_the_facts_of_gpus_do_not_wait_for_a_driver_that_hangs(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    monkeypatch.setattr(facts, "DRIVER_SECONDS", 0.05)
    monkeypatch.setattr(facts, "_of_each_gpu", lambda ask: released.wait())
    assert facts.gpu_facts() is None
