"""Signals are noted, and every wait asks."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from energyctl.errors import Interrupted
from energyctl.system.interrupts import SIGNALS, Interrupts


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_is_noted_and_raised_by_the_next_question(signum: int) -> None:
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), signum)
        assert interrupts.signum == signum
        with pytest.raises(Interrupted) as caught:
            interrupts.check()
        assert caught.value.signum == signum
        with pytest.raises(Interrupted):
            interrupts.wait(1000)


def test_a_wait_ends_at_once_when_a_signal_comes() -> None:
    with Interrupts() as interrupts:
        began = time.monotonic()
        timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        with pytest.raises(Interrupted):
            interrupts.wait(60)
        assert time.monotonic() - began < 10
        timer.join()


def test_a_wait_without_a_signal_just_waits() -> None:
    with Interrupts() as interrupts:
        began = time.monotonic()
        interrupts.wait(0.05)
        interrupts.wait(-1)
        assert time.monotonic() - began >= 0.05


def test_later_signals_are_only_noted(capfd: pytest.CaptureFixture[str]) -> None:
    with Interrupts() as interrupts:
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), signum)
        assert interrupts.signum == signal.SIGTERM
        assert select.select([interrupts.descriptor], [], [], 0)[0]
    said = [line for line in capfd.readouterr().err.splitlines() if line]
    assert ["still stopping" in line for line in said] == [False, True, True]


def test_a_thousand_signals_do_not_block() -> None:
    with Interrupts() as interrupts:
        for _ in range(1000):
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.signum == signal.SIGINT


def test_the_handlers_and_descriptors_of_before_come_back() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    open_before = os.listdir("/proc/self/fd")
    with pytest.raises(RuntimeError), Interrupts():
        raise RuntimeError
    assert [signal.getsignal(signum) for signum in SIGNALS] == before
    assert os.listdir("/proc/self/fd") == open_before


def test_no_error_handler_takes_it_for_a_failure() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_hangup_is_ignored_under_nohup() -> None:
    code = (
        "import os, signal; from energyctl.system.interrupts import Interrupts\n"
        "with Interrupts() as i:\n"
        "    os.kill(os.getpid(), signal.SIGHUP); print(i.signum)\n"
        "    os.kill(os.getpid(), signal.SIGTERM); print(i.signum)\n"
    )
    done = subprocess.run(
        ["nohup", sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"None\n{int(signal.SIGTERM)}\n"
