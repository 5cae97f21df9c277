"""Nothing hostile gets through `sudo energyctl`: sudo python tests/benchmarks/hostile.py --help

Makes a user who may call `sudo energyctl`, a stranger, and an installation of root's; then tries
each attack of attacks/. As the user, from a shell: `sudo energyctl run`; while it runs, `ps` and
`status`; then `status`, `report` and `stop`, with sudo and without. Then the same attack once more
in a terminal, with Ctrl-C once the training runs.

It is a violation where the secret of root's or of the stranger's stands in anything that the user
can read; where a file of theirs was changed, or made; where a process of theirs was ended, or one
of the attacks got what it must not; where root's processes were more than the helper and `sudo`;
a traceback, an escape sequence from a file or a name on the terminal, an exit code that is not
documented; where a command takes too long, the notice that it stops comes later than 2 s after
Ctrl-C, or its end later than 2 s and what the trainings may take (those that ignore TERM: 7 s of
grace); where a governor is not put back, or a cgroup is left.

Prints a row for each attack, and each violation. Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.attacks.attack import Attack
from benchmarks.attacks.table import ATTACKS
from benchmarks.loads import PLAIN
from benchmarks.stage import under_a_reaper, wait_until
from benchmarks.sudo_accounts import Unavailable, sudo_stage
from benchmarks.sudo_stage import GOVERNOR_BEFORE, Said, SudoStage
from energyctl.launchers import privileged_helper
from energyctl.system.cgroups import Cgroup

RUN_SECONDS = 60.0
COMMAND_SECONDS = 15.0
START_SECONDS = 8.0
ANSWER_SECONDS = 2.0
DOCUMENTED = 0, 1, 2, 3, 130
UNASKED = 2, 130
"""Of a run whose settings are right, and that nobody has interrupted."""

NOTICE = "energyctl: stopping"
HELPER_LINES = 300

BROKEN = re.compile(r"Traceback \(most recent call last\)|internal error|RecursionError")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
FORGED = re.compile(r"\x1b\][^\n]*HOSTILE|\x1b\[31mHOSTILE|^energyctl: FORGED", re.MULTILINE)


@dataclass
class Trial:
    """What became of one attack. Seconds are from Ctrl-C; None: it had ended before."""

    name: str
    code: int | None = None
    took: float = 0.0
    notice_seconds: float | None = None
    end_seconds: float | None = None
    roots: int = 0
    cgroup: Path | None = None
    violations: list[str] = field(default_factory=list)

    def row(self) -> str:
        times = ["–" if s is None else f"{s:.2f}" for s in (self.notice_seconds, self.end_seconds)]
        what = ATTACKS[self.name].what
        cells = [self.name, what, self.code, f"{self.took:.1f}", *times, len(self.violations)]
        return f"| {' | '.join(str(cell) for cell in cells)} |"


HEAD = (
    "| attack | what | exit code | took, s | Ctrl-C: notice, s | end, s | violations |\n"
    "|---|---|---|---|---|---|---|"
)


def try_out(place: SudoStage, name: str, seconds: float = 1.0, interrupt: bool = True) -> Trial:
    trial, attack = Trial(name), ATTACKS[name]
    before = place.fingerprint()
    said: list[Said] = []
    with prepared(place, name, attack, seconds):
        said += at_work(place, attack, trial)
        with contextlib.suppress(OSError):
            act(place, "after", attack.after)
        said += afterwards(place, attack)
        judge(place, trial, said, before)
    if interrupt:
        with prepared(place, name, attack, 30.0):
            said = [interrupted(place, attack, trial)]
            judge(place, trial, said, before)
    return trial


@contextlib.contextmanager
def prepared(place: SudoStage, name: str, attack: Attack, seconds: float) -> Any:
    place.furnish(seconds, attack.registry, attack.settings)
    place.write_facts(seconds, name)
    act(place, "before", attack.before)
    stranger = None
    if attack.stranger:
        stranger = place.start(place.attacker("stranger"), place.stranger)
        ready = place.drop / "ready"
        wait_until(lambda: stranger.poll() is not None or ready.exists(), 10)
    try:
        yield
    finally:
        place.end_all()


def act(place: SudoStage, role: str, what: object) -> None:
    """Lets the user's attacker do something."""
    if what is not None:
        place.finish(place.start(place.attacker(role)), role, COMMAND_SECONDS)


def arguments_of(place: SudoStage, attack: Attack) -> list[str]:
    return [a.format(strangers_home=place.stranger.home) for a in attack.arguments]


def at_work(place: SudoStage, attack: Attack, trial: Trial) -> list[Said]:
    """`run`, with a look at root's processes and at `status` meanwhile."""
    said = []
    arguments = arguments_of(place, attack)
    began = time.monotonic()
    popen = place.start(place.line(*arguments, shell=attack.shell))
    started = place.user.home / "training"
    wait_until(lambda: started.exists() or popen.poll() is not None, START_SECONDS)
    if popen.poll() is None:
        look_at_root(place, popen, trial)
        said.append(place.call("status", sudo=False, seconds=COMMAND_SECONDS))
    done = place.finish(popen, f"sudo energyctl {' '.join(arguments)}", RUN_SECONDS)
    trial.code, trial.took = done.code, time.monotonic() - began
    if done.code in UNASKED and done.code not in attack.codes:
        trial.violations.append(f"exit code {done.code}: {done.text[-300:]!r}")
    return [done, *said]


def look_at_root(place: SudoStage, popen: subprocess.Popen[bytes], trial: Trial) -> None:
    roots = [process.cmdline() for process in place.roots_processes(popen)]
    trial.roots = max(trial.roots, len(roots))
    if len(roots) > 1 or not all("privileged_helper.py" in " ".join(root) for root in roots):
        trial.violations.append(f"processes of root's: {roots}")
    if roots and "/sys/fs/cgroup" in roots[0][-1]:
        trial.cgroup = Path(roots[0][-1])


def afterwards(place: SudoStage, attack: Attack) -> list[Said]:
    """Two at a time: with sudo and without."""
    said = []
    for command in (("status",), ("report",), *attack.then, ("stop",)):
        both = [
            (place.start(place.line(*command, sudo=sudo)), place.name_of(command, sudo))
            for sudo in ((True, False) if command != ("stop",) else (True,))
        ]
        said += [place.finish(popen, what, COMMAND_SECONDS) for popen, what in both]
    said.append(place.call("stop", sudo=False, seconds=COMMAND_SECONDS))
    return said


def interrupted(place: SudoStage, attack: Attack, trial: Trial) -> Said:
    """In a terminal: Ctrl-C once the training runs, or where it does not come so far, then."""
    master, slave = pty.openpty()
    os.fchown(slave, place.user.uid, place.user.gid)
    arguments = arguments_of(place, attack)
    popen = place.start(place.line(*arguments, shell=attack.shell), terminal=slave)
    os.close(slave)
    text, asked = b"", None
    began, started = time.monotonic(), place.user.home / "training"
    code: int | None = None
    while True:
        with contextlib.suppress(OSError):
            if select.select([master], [], [], 0.02)[0]:
                text += os.read(master, 65536)
        now = time.monotonic()
        if asked is None and (started.exists() or now - began > START_SECONDS):
            look_at_root(place, popen, trial)
            asked = time.monotonic()
            os.write(master, b"\x03")
        if asked and trial.notice_seconds is None and NOTICE.encode() in text:
            trial.notice_seconds = now - asked
        code = popen.poll()
        if code is not None or now - (asked or now) > RUN_SECONDS:
            break
    if asked:
        trial.end_seconds = time.monotonic() - asked
    if code is None:
        place.end_all()
    os.close(master)
    said = text.decode(errors="replace")
    if asked:
        judge_the_answer(trial, attack, code, said.strip()[-300:])
    if FORGED.search(said.replace("\r", "\n")):
        trial.violations.append(f"an escape sequence in the terminal: {said.strip()[-300:]!r}")
    # What energyctl itself shows there is coloured.
    return Said(f"in a terminal: energyctl {' '.join(arguments)}", code, _plain(said), 0.0)


def judge_the_answer(trial: Trial, attack: Attack, code: int | None, last: str) -> None:
    """To Ctrl-C."""
    notice, end = trial.notice_seconds, trial.end_seconds or 0.0
    if notice is not None and code not in (1, 130, *attack.codes):
        trial.violations.append(f"Ctrl-C: exit code {code}: {last!r}")
    if end > ANSWER_SECONDS + attack.grace_seconds:
        trial.violations.append(f"Ctrl-C: the end came after {end:.1f} s: {last!r}")
    if notice is not None and notice > ANSWER_SECONDS:
        trial.violations.append(f"Ctrl-C: the notice came after {notice:.1f} s")


def _plain(text: str) -> str:
    return CONTROL.sub("", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))


def judge(
    place: SudoStage, trial: Trial, said: Sequence[Said], before: dict[str, tuple[Any, ...]]
) -> None:
    tell = trial.violations.append
    codes = ATTACKS[trial.name].codes
    allowed, stopped = (*DOCUMENTED, *codes), (0, *codes)
    for one in said:
        if one.code is None:
            tell(f"{one.command}: no end: {one.text[-300:]!r}")
        elif one.code not in (stopped if one.command.endswith(" stop") else allowed):
            tell(f"{one.command}: exit code {one.code}: {one.text[-300:]!r}")
        if found := BROKEN.search(one.text):
            tell(f"{one.command}: {one.text[found.start() :][:300]!r}")
        if found := CONTROL.search(one.text):
            around = one.text[max(0, found.start() - 100) :][:200]
            tell(f"{one.command}: a control character: {around!r}")
        if FORGED.search(one.text):
            tell(f"{one.command}: a forged line")
        for whose, secret in place.secrets.items():
            if secret in one.text:
                tell(f"{one.command}: tells {whose} secret")
    after = place.fingerprint()
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            tell(
                f"{path} was {'changed' if path in before and path in after else 'made or removed'}"
            )
    for canary in place.canaries:
        if canary.revived():
            tell(f"{canary.whose} process was ended")
    gained = place.user.home / "gained"
    if gained.exists():
        for line in sorted(set(gained.read_text().splitlines()))[:10]:
            tell(f"gained: {line}")
    for line in (*place.leaks(), *(f"a file of root's: {path}" for path in place.roots_files())):
        tell(line)
    patience = 2.0 + ATTACKS[trial.name].grace_seconds
    if not wait_until(lambda: place.governors() == {GOVERNOR_BEFORE}, patience):
        tell(f"the governor is {place.governors()}")
    group = trial.cgroup
    if group and not wait_until(lambda: not group.exists(), patience):
        tell(f"{group} is left")
        place.end_all()
        Cgroup(group).remove()


def helper_is_small() -> list[str]:
    """Why not."""
    source = Path(privileged_helper.__file__).read_text()
    imported = [
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    problems = [f"the helper imports {n}" for n in imported if n not in sys.stdlib_module_names]
    if (lines := len(source.splitlines())) > HELPER_LINES:
        problems.append(f"the helper has {lines} lines")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--only", nargs="+", metavar="ATTACK", choices=list(ATTACKS))
    parser.add_argument("--list", action="store_true", help="the attacks")
    wanted = parser.parse_args()
    if wanted.list:
        for name, attack in ATTACKS.items():
            print(f"{name:20} {attack.what}")
        return 0
    began, trials = time.monotonic(), []
    violations = helper_is_small()
    try:
        with sudo_stage() as place:
            print(HEAD, flush=True)
            for name in wanted.only or ATTACKS:
                trial = try_out(place, name)
                trials.append(trial)
                print(trial.row(), flush=True)
                for line in trial.violations:
                    print(f"    {name}: {line}", file=sys.stderr, flush=True)
    except Unavailable as error:
        print(f"this benchmark cannot be done here: {error}", file=sys.stderr)
        return 2
    violations += [line for trial in trials for line in trial.violations]
    notices = [t.notice_seconds for t in trials if t.notice_seconds is not None]
    roots = max((trial.roots for trial in trials), default=0)
    print(
        f"{len(trials)} attacks, {len(violations)} violations in "
        f"{sum(bool(t.violations) for t in trials)} of them; root's processes at most {roots}; "
        f"notice after Ctrl-C at most {max(notices, default=0):.2f} s ({len(notices)} times); "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(under_a_reaper(main))
