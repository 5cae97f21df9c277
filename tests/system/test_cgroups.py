"""Control groups: what is in one cannot hide from it. Skipped where none may be made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.system import cgroups
from energyctl.system.cgroups import Cgroup


@pytest.fixture
def group() -> Iterator[Cgroup]:
    made = cgroups.make(cgroups.named(f"test-{os.getpid()}"))
    if made is None:
        pytest.skip("no cgroup may be made here")
    yield made
    made.kill()
    made.remove()
    assert not made.folder.exists()


def test_whoever_hides_is_a_member_and_all_end_at_once(group: Cgroup, tmp_path: Path) -> None:
    part = group.part("background")
    hide = "(env -i /usr/bin/setsid /bin/sh -c 'echo $$ > hidden; exec /bin/sleep 1000' &)"
    shell = subprocess.Popen(["/bin/sh", "-c", f"read go; {hide}; wait"], cwd=tmp_path, stdin=-1)
    assert part.add(shell.pid)
    shell.communicate(b"go\n")
    hidden = tmp_path / "hidden"
    pid = int(wait_for(lambda: hidden.exists() and hidden.read_text().strip(), "the hidden one"))
    assert part.members() == [pid]
    assert group.part("foreground").members() == []
    part.kill()
    wait_for(lambda: not part.members(), "the end")
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_members_of_groups_below_are_found_and_the_groups_removed(group: Cgroup) -> None:
    below = group.part("foreground").folder / "made-by-a-training"
    below.mkdir()
    sleeper = subprocess.Popen(["sleep", "1000"])
    assert Cgroup(below).add(sleeper.pid)
    assert group.part("foreground").members() == [sleeper.pid]
    group.part("foreground").kill()
    assert sleeper.wait(10) == -9


def test_a_campaign_never_shares_a_group_with_another(group: Cgroup) -> None:
    other = cgroups.make(cgroups.named(f"test-{os.getpid()}"))
    assert other is not None
    other.remove()
    assert other != group
    assert group.part("daemon").folder.exists()


def test_a_process_that_is_gone_cannot_be_added(group: Cgroup) -> None:
    assert not group.part("daemon").add(2**22 + 1)


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    Cgroup(tmp_path / "gone").remove()
    assert Cgroup(tmp_path / "gone").members() == []
