"""Makes a :class:`SudoStage`, as root: accounts, an installation, a rule of `sudo`, canaries.

All of it is removed at the end.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import energyctl
from benchmarks.attacks.attack import NONCE
from benchmarks.sudo_stage import GOVERNOR, GOVERNOR_BEFORE, PATH, Account, Canary, SudoStage
from energyctl.system import workspace
from energyctl.system.processes import DAEMON, MARKER, marker

RULE = """\
Defaults:{user} env_file = {variables}, !requiretty
{user} ALL = (root) NOPASSWD: {commands}
"""
ALLOWED = (
    *("run *", "resume", "resume *", "status", "stop", "stop *", "report", "report *"),
    *("render *", "export *", "init *", "models *", "doctor", "plan *", "watch"),
)
"""Not `meter`, which runs any command as root."""


class Unavailable(Exception):
    """The text says why there can be no such stage here."""


@contextlib.contextmanager
def sudo_stage() -> Iterator[SudoStage]:
    """Raises Unavailable where there is no root, no sudo, or no user may be made."""
    if os.getuid() != 0:
        raise Unavailable("only root can make users and give them sudo")
    for program in ("sudo", "visudo", "useradd", "userdel"):
        if shutil.which(program, path=PATH) is None:
            raise Unavailable(f"no {program} here")
    token = secrets.token_hex(3)
    folder = Path(tempfile.gettempdir(), f"hostile-{token}")
    rule = Path("/etc/sudoers.d", f"energyctl-test-{token}")
    with contextlib.ExitStack() as stack:
        folder.mkdir(mode=0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("home", "said", "open", "vault", "drop", "cpus/cpu0/cpufreq"):
            (folder / name).mkdir(parents=True)
        (folder / "vault").chmod(0o700)
        (folder / "drop").chmod(0o1777)
        user, stranger = (_account(f"ec{k}{token}", folder / "home", stack) for k in "us")
        words = {"root's": _number(), "the stranger's": _number()}
        python = _installation(folder, user)
        made = SudoStage(folder, user, stranger, python, words)
        stack.callback(made.end_all)
        _hide(made)
        _grant(made, rule)
        stack.callback(rule.unlink, missing_ok=True)
        _canaries(made, stack)
        made.furnish(1.0, {}, {})
        said = made.call("doctor")
        if said.code != 0:
            why = (said.text.strip().splitlines() or ["it says nothing"])[-1]
            raise Unavailable(f"sudo does not start energyctl for a user here: {why}")
        yield made


def _number() -> str:
    """Which a metric would hold unchanged, too."""
    return str(7_000_000_000 + secrets.randbelow(1_000_000_000))


def _account(name: str, homes: Path, stack: contextlib.ExitStack) -> Account:
    command = ["useradd", "--create-home", "--home-dir", str(homes / name), "--shell", "/bin/sh"]
    done = subprocess.run([*command, "--user-group", name], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"useradd makes no user: {done.stderr.strip()}")
    stack.callback(_remove_account, name)
    entry = pwd.getpwnam(name)
    os.chmod(entry.pw_dir, 0o755)
    return Account(name, entry.pw_uid, entry.pw_gid, Path(entry.pw_dir))


def _remove_account(name: str) -> None:
    subprocess.run(["userdel", "--remove", "--force", name], capture_output=True)


def _installation(folder: Path, user: Account) -> str:
    """A virtual environment of root's that leads to this energyctl; its base interpreter."""
    home = Path(energyctl.__file__).parents[1]
    compileall.compile_dir(home / "energyctl", quiet=2)  # as pip does
    lead = [str(home), *(path for path in sys.path if path.endswith("site-packages"))]
    script = "import sys\nfrom energyctl.__main__ import main\nsys.exit(main())\n"
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        place = folder / "venv"
        shutil.rmtree(place, ignore_errors=True)
        made = subprocess.run([python, "-m", "venv", "--without-pip", place], capture_output=True)
        if made.returncode:
            continue
        (packages,) = place.glob("lib/python*/site-packages")
        (packages / "energyctl.pth").write_text("\n".join(lead) + "\n")
        program = place / "bin" / "energyctl"
        program.write_text(f"#!{place}/bin/python\n{script}")
        program.chmod(0o755)
        with contextlib.suppress(OSError):
            tried = subprocess.run(
                [program, "plan", "quickstart.json"],
                user=user.uid,
                group=user.gid,
                extra_groups=[],
                cwd="/",
                env={"PATH": PATH},
                capture_output=True,
            )
            if tried.returncode == 0:
                return str(place / "bin" / "python")
    raise Unavailable("no interpreter with energyctl can be started by another user here")


def _hide(made: SudoStage) -> None:
    """Files of root's and of the stranger's."""
    vault, opened = made.folder / "vault", made.folder / "open"
    private = made.stranger.home / "private"
    roots, strangers = made.secrets.values()
    (vault / "secret").write_text(f"loss: {roots}\n")
    (vault / "secret").chmod(0o600)
    (opened / "notice").write_text("of root's, for all to read\n")
    private.mkdir(mode=0o700)
    (private / "diary").write_text(f"loss: {strangers}\n")
    (private / "diary").chmod(0o600)
    workspace.init(made.stranger.home / "lab")
    (made.stranger.home / "list").write_text("of the stranger's, for all to read\n")
    for path in (made.stranger.home, *made.stranger.home.rglob("*")):
        os.chown(path, made.stranger.uid, made.stranger.gid, follow_symlinks=False)
    for path in made.of_others:
        path.write_text("in a folder for all\n")
    os.chown(made.of_others[1], made.stranger.uid, made.stranger.gid)
    cpu = made.folder / "cpus" / "cpu0" / "cpufreq"
    (cpu / "scaling_available_governors").write_text(f"{GOVERNOR} {GOVERNOR_BEFORE}\n")
    (cpu / "scaling_governor").write_text(f"{GOVERNOR_BEFORE}\n")


def _grant(made: SudoStage, rule: Path) -> None:
    variables = made.folder / "variables"
    variables.write_text("".join(f"{k}={v}\n" for k, v in made.variables.items()))
    allowed = [f"{made.energyctl} {command}" for command in ALLOWED]
    allowed.append(f"{made.energyctl} -C {made.stranger.home}/lab run quickstart.json")
    text = RULE.format(user=made.user.name, variables=variables, commands=", ".join(allowed))
    checked = subprocess.run(
        ["visudo", "-c", "-f", "-"], input=text, capture_output=True, text=True
    )
    if checked.returncode:
        raise Unavailable(f"sudo does not take the rule: {checked.stderr.strip()}")
    try:
        rule.touch(mode=0o440)
        rule.write_text(text)
    except OSError as error:
        raise Unavailable(f"{rule}: {error.strerror}") from error


def _canaries(made: SudoStage, stack: contextlib.ExitStack) -> None:
    def sleeper(account: Account | None, role: str) -> Callable[[], subprocess.Popen[bytes]]:
        ids: dict[str, Any] = {}
        if account:
            ids = {"user": account.uid, "group": account.gid, "extra_groups": []}
        env = {"PATH": PATH, MARKER: marker(NONCE, "", role)}
        return lambda: subprocess.Popen(
            ["sleep", "1000000"], env=env, cwd="/", start_new_session=True, **ids
        )

    for whose, start in (
        ("root's", sleeper(None, DAEMON)),
        ("the stranger's", sleeper(made.stranger, DAEMON)),
        ("the stranger's second", sleeper(made.stranger, "foreground")),
    ):
        canary = Canary(whose, start, start())
        made.canaries.append(canary)
        stack.callback(canary.end)
