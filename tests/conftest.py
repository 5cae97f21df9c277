"""Fixtures that every test may ask for, and which tests have the machine to themselves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import own_records
from bench import bench
from hardware.vendor import vendor
from result_schema import faults

__all__ = ["bench", "vendor"]

TESTS = Path(__file__).parent

# Files of tests that look at the whole machine, or compare times; others mark single tests.
ALONE = {
    "background/guard/test_dead_man", "campaign/test_work", "system/test_cgroups",
    "system/test_processes",
}  # fmt: skip

# Files whose tests share what is dear to make: one process runs all of a file, and begins with it.
TOGETHER = {
    "analysis/test_comparing", "analysis/test_report", "analysis/test_report_page",
    "campaign/test_shares", "integrations/test_bundle", "scenarios/test_hostile",
    "slurm/test_campaigns", "test_together",
}  # fmt: skip

HAS_OWN_RECORDS = pytest.StashKey[bool]()

TEST_SECONDS = 600  # a test, with its fixtures, that takes longer hangs

# How long an example takes beside other tests says nothing.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: no other test runs meanwhile, in any process")
    config.addinivalue_line(
        "markers", "records: leaves records of root's; alone where all processes share their folder"
    )
    if "STAND_INS" not in os.environ:  # with -n, the first process makes it for all
        os.environ["STAND_INS"] = folder = tempfile.mkdtemp(prefix="stand-ins-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Private folders of this process's tests alone: what one test kills must not be named by the
    commands of another. Every user may have theirs, as in /tmp. The same of records, of which the
    machine's own change no test."""
    os.environ["ENERGYCTL_PRIVATE"] = private = tempfile.mkdtemp(prefix="energyctl-tests-")
    os.chmod(private, 0o1777)
    os.environ["ENERGYCTL_ACCEPTANCE"] = own_records.NOWHERE
    session.config.stash[HAS_OWN_RECORDS] = own_records.hide_those_of_root()
    # Without bytecode every process that a test starts compiles energyctl anew: a third of its CPU.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_sessionfinish() -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(os.environ["ENERGYCTL_PRIVATE"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    shared = not config.stash[HAS_OWN_RECORDS]
    for item in items:
        if _file(item.nodeid) in ALONE or (shared and item.get_closest_marker("records")):
            item.add_marker("alone")
    # Last what has to be alone, so that the others do not wait for it again and again.
    items.sort(key=lambda item: (_file(item.nodeid) not in TOGETHER, _is_alone(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps the tests of TOGETHER in one process each; the mark of pytest-xdist does not with
    pytest 9.2 (github.com/pytest-dev/pytest-xdist/issues/1386)."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _file(nodeid) if _file(nodeid) in TOGETHER else nodeid

    return Scheduling(config, log)


def _file(nodeid: str) -> str:
    """Such as ``system/test_cgroups``."""
    return nodeid.partition("::")[0].removeprefix("tests/").removesuffix(".py")


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest.fixture(autouse=True)
def _room(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Where tests run in several processes (-n): one that is alone waits until the others are out,
    and they wait until it is. Who waits to be alone keeps the door shut, so that it gets its turn.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    wanted = fcntl.LOCK_EX if _is_alone(request.node) else fcntl.LOCK_SH
    shared = tmp_path_factory.getbasetemp().parent
    with open(shared / "door", "w") as door, open(shared / "room", "w") as room:
        fcntl.flock(door, wanted)
        fcntl.flock(room, wanted)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.fixture(autouse=True)
def _limit(_room: None) -> Iterator[None]:
    """Fails a test that hangs, as in a read of a pipe that nobody writes to."""

    def give_up(signum: int, frame: object) -> None:
        pytest.fail(f"it has not ended within {TEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _results_obey_the_schema(request: pytest.FixtureRequest) -> Iterator[None]:
    """The results that a test has made are as `energyctl schema --results` says."""
    if "tmp_path" not in request.fixturenames:
        yield
        return
    folder: Path = request.getfixturevalue("tmp_path")
    yield
    assert not [line for path in folder.rglob("*.json") for line in faults(path)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real one, for pages."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()
