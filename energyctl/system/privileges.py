"""Root under sudo: what it alone may do is done first, and then it is given up for good.

After :func:`give_up` this process is the invoking user's, and so is all that it starts. What may
still need root is asked of :func:`helper`. A root without sudo has nobody to become, and goes on.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISVTX

import energyctl
from energyctl.errors import MachineError
from energyctl.launchers import subreaper
from energyctl.system import cgroups
from energyctl.system.cgroups import Cgroup
from energyctl.system.helper import Helper
from energyctl.system.private_folder import private_root
from energyctl.system.user import User, invoking_user, sudo_caller

PR_SET_DUMPABLE = 4  # prctl(2)

ROOTS_RECORDS = Path("/run/energyctl")
"""Of what root's helpers have changed. Gone after a boot, as the changes are (hier(7), /run)."""


@dataclass
class _Kept:
    """What was made as root before it was given up."""

    helper: Helper | None = None
    cgroup: Cgroup | None = None
    problem: str | None = None


_kept: _Kept | None = None


def records(user: User) -> Path:
    """Where helpers that run as *user* write down what they change."""
    return ROOTS_RECORDS if user.uid == 0 else private_root(user)


def give_up(
    *, control: bool = False, cgroup: bool = False, before: Callable[[], object] = lambda: None
) -> None:
    """Becomes the invoking user, where we are root for one.

    *control*: a helper stays root. *cgroup*: the campaign gets one, which is the user's. *before*
    is called as root. Raises MachineError.
    """
    global _kept
    user = sudo_caller()
    if user is None:
        return
    before()
    _kept = _Kept()
    if control:
        _kept = _with_helper(user, cgroup)
    become(user)


def _with_helper(user: User, wants_cgroup: bool) -> _Kept:
    def give(path: Path) -> None:
        os.chown(path, user.uid, user.gid)

    cgroup = cgroups.make(cgroups.named("sudo"), give) if wants_cgroup else None
    if cgroup is not None:
        # Who is outside may not move processes into it (cgroup-v2.rst, "Delegation Containment").
        cgroup.part("control").add(os.getpid())
    try:
        helper = Helper.start(ROOTS_RECORDS, cgroup.folder if cgroup else None)
    except OSError as error:
        if cgroup is not None:
            Cgroup(cgroup.folder.parent).add(os.getpid())
            cgroup.remove()
        return _Kept(problem=f"the helper that stays root does not start: {error}")
    atexit.register(helper.close)
    return _Kept(helper, cgroup)


def become(user: User) -> None:
    """Real, effective and saved ids, groups, and what the environment says of the user."""
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    # Nor may the user's other processes trace us, and so talk to the helper (ptrace(2)).
    subreaper.prctl(PR_SET_DUMPABLE, 0)
    for name in [name for name in os.environ if name.startswith("SUDO_")]:
        del os.environ[name]
    os.environ.update(HOME=user.home, USER=user.name, LOGNAME=user.name)
    package = Path(energyctl.__file__).parent
    if not os.access(package / "errors.py", os.R_OK):
        raise MachineError(
            f"{user.name} cannot read {package}, and energyctl becomes {user.name} under sudo; "
            "install it where all users can read it"
        )


def given_up() -> bool:
    """Whether this process was root until it became the invoking user."""
    return _kept is not None


def changeable_installation() -> str | None:
    """A place by which the user may change what root has started; None where root was not given
    up."""
    if not given_up():
        return None
    parts = [Path(energyctl.__file__).parent, Path(sys.prefix), Path(sys.executable).resolve()]
    for path in (path for part in parts for path in (part, *part.parents)):
        if os.access(path, os.W_OK) and not path.stat().st_mode & S_ISVTX:
            return str(path)
    return None


def helper() -> Helper | None:
    """The helper that stayed root."""
    return _kept.helper if _kept else None


def cgroup() -> Cgroup | None:
    """The cgroup that was made as root; the helper removes it."""
    return _kept.cgroup if _kept else None


def problem() -> str | None:
    """Why there is none, where there should be one."""
    return _kept.problem if _kept else None


def start_helper() -> Helper:
    """One with no more rights than ours. Raises OSError."""
    return Helper.start(records(invoking_user()))
