"""Control groups of a campaign, where the kernel and our rights allow any (cgroup v2).

A process cannot leave its cgroup by forking, by a session of its own, or by clearing its
environment, so a cgroup names what no other mark of ours finds. Folders, below the cgroup that
energyctl itself is in:

    energyctl-…/control     energyctl itself, where it was root under sudo
               /daemon      supervisord, while no group is up
               /background  supervisord, so that launchers are born there; all below it
               /foreground  the launcher of the foreground, and all below it

Root may make them, and whoever was given a subtree (`systemd-run --user --scope -p Delegate=yes`).
Under sudo root makes it before it becomes the user, whom the subtree is delegated to, and the
helper removes it (Documentation/admin-guide/cgroup-v2.rst, "Delegation"). No controller is enabled
in it: nothing is limited, and CPU time is shared as before.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "energyctl-"
PARTS = ("control", "daemon", "background", "foreground")
REMOVE_SECONDS = 2.0


@dataclass(frozen=True)
class Cgroup:
    """A folder of the cgroup2 file system."""

    folder: Path

    def part(self, name: str) -> Cgroup:
        return Cgroup(self.folder / name)

    def add(self, pid: int) -> bool:
        """Moves a process; what it has started already stays where it is."""
        try:
            (self.folder / "cgroup.procs").write_text(str(pid), encoding="utf-8")
        except OSError:
            return False
        return True

    def members(self) -> list[int]:
        """Pids in it, and in the cgroups that trainings made below it; not those of zombies."""
        pids: list[int] = []
        for folder in self._tree():
            with contextlib.suppress(OSError):
                pids += [
                    int(word)
                    for word in (folder / "cgroup.procs").read_text(encoding="utf-8").split()
                ]
        return [pid for pid in pids if pid]  # 0: a process of another pid namespace

    def kill(self) -> None:
        """KILL to every member at once, also to what is being forked (Linux 5.14)."""
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1", encoding="utf-8")

    def remove(self, reap: Callable[[], None] = lambda: None) -> None:
        """Removes it and all below it, once it is empty; an exit may take a moment to count.

        *reap*: collects zombies, which count as well.
        """
        deadline = time.monotonic() + REMOVE_SECONDS
        for folder in reversed(list(self._tree())):
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() < deadline and not self.members():
                        reap()
                        time.sleep(0.005)
                        continue
                    return
                break

    def _tree(self) -> Iterator[Path]:
        """This folder and all below it, parents first."""
        for folder, _, _ in os.walk(self.folder):
            yield Path(folder)


def own_folder() -> Path | None:
    """The folder of the cgroup (v2) that this process is in; None where none is mounted."""
    path = root = None
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                path = line[3:]
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                root = before.split(" ")[4]
    if path is None or root is None or ".." in Path(path).parts:
        return None
    return Path(root, path.lstrip("/"))


def named(name: str) -> Cgroup | None:
    """The cgroup ``energyctl-NAME-RANDOM``, to be made; None where none can be.

    It is a new one in any case: another campaign may have the same name, and another /tmp.
    """
    above = own_folder()
    if above is None or not _may_hold(above):
        return None
    return Cgroup(above / f"{PREFIX}{name}-{os.urandom(4).hex()}")


def make(cgroup: Cgroup | None, own: Callable[[Path], None] = lambda path: None) -> Cgroup | None:
    """Makes *cgroup* with its parts; None where that cannot be.

    *own* gives a file to the user whom the trainings run as.
    """
    if cgroup is None:
        return None
    try:
        for folder in (cgroup.folder, *(cgroup.part(part).folder for part in PARTS)):
            folder.mkdir()
            for path in (folder, folder / "cgroup.procs", folder / "cgroup.kill"):
                if path.exists():
                    own(path)
        (cgroup.part("foreground").folder / "cgroup.procs").read_text(encoding="utf-8")
    except OSError:
        cgroup.remove()
        return None
    return cgroup


def _may_hold(above: Path) -> bool:
    """Whether a cgroup below *above* changes nothing for who is in it.

    Where *above* hands on the CPU controller (only a root cgroup can, and still hold processes),
    a new cgroup would get a share of its own.
    """
    try:
        handed_on = (above / "cgroup.subtree_control").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return not {"cpu", "cpuset"} & set(handed_on)
