"""What others have written reaches a terminal as text on one line, whichever command shows it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from bench import Bench
from written_results import write_runs

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\nwarning: FORGED\r\x08"
CLI = Path(__file__).parents[2] / "energyctl" / "cli"
STYLES = re.compile(r"\x1b\[[0-9;]*[mKAGHJ]|\x1b\[\?[0-9]+[hl]")
"""What rich itself writes: colours, and the live view's cursor."""


def on_a_terminal(bench: Bench, *arguments: str, term: str = "xterm-256color") -> str:
    """What `energyctl …` shows on a terminal of 200 columns."""
    master, slave = pty.openpty()
    environ = {**bench.env, "TERM": term}
    with subprocess.Popen(
        [sys.executable, "-m", "energyctl", *arguments],
        cwd=bench.root, env=environ, stdin=slave, stdout=slave, stderr=slave,
    ):  # fmt: skip
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 65536):
                shown += part
        except OSError:  # its last writer is gone
            pass
    os.close(master)
    return shown.decode()


def assert_plain(shown: str) -> None:
    """No command to the terminal but rich's own, and no line that a text made."""
    assert "\x1b[2J" not in shown
    plain = STYLES.sub("", shown).replace("\r\n", "\n").replace("\r", "")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", plain), ascii(plain)
    assert not re.search(r"^\W*warning: FORGED", plain, re.MULTILINE), plain


def test_a_name_stays_on_its_line(bench: Bench) -> None:
    name = f"name {''.join(HOSTILE.split())}"  # settings refuse a name of two lines
    alone = {"repo": "front", "model": "small", "mode": "default", "hyperparameters": {}}
    alone["description"] = alone["hyperparameters"][f"odd{HOSTILE}"] = name
    file = bench.settings(experiment_name=name, experiments=[alone])
    for command in (["plan", file], ["validate", file], ["run", file], ["report"], ["status"]):
        assert_plain(on_a_terminal(bench, *command))
    assert [result["status"] for result in bench.results()] == ["succeeded"]
    assert_plain(on_a_terminal(bench, "watch", "--once"))


def test_a_terminal_that_cannot_draw_gets_a_line_for_each_phase(bench: Bench) -> None:
    shown = on_a_terminal(bench, "run", bench.parallel(), term="dumb")
    phases = ("load coming up", "training", "load alone")
    every = ".*".join(rf"\d\d:\d\d:\d\d  run 1 of 1  .*  {phase}  " for phase in phases)
    assert re.search(every, shown, re.DOTALL), shown
    assert "\x1b" not in shown


def test_a_log_in_colours_gets_lines_all_the_same(bench: Bench) -> None:
    """As of a CI that asks for colours in what is no terminal."""
    done = bench.run("run", bench.parallel(), env={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert done.returncode == 0, done.stderr
    assert re.search(r"run 1 of 1  .*  training  ", STYLES.sub("", done.stdout))
    assert not re.search(r"\x1b\[\?25l|\x1b\[\d*A", done.stdout)  # no cursor is moved


def test_results_are_shown_as_text(bench: Bench) -> None:
    write_runs(bench.root / "results", f"mutation{HOSTILE}"[:8], [5.0, 6.0], campaign=f"c{HOSTILE}",
               warnings=[f"warned {HOSTILE}"], status="failed")  # fmt: skip
    shown = on_a_terminal(bench, "report")
    assert "warned" in shown
    assert_plain(shown)


def test_the_note_of_another_user_is_shown_as_text(bench: Bench) -> None:
    note = {"pid": 1, "user": HOSTILE, "campaign": HOSTILE, "workspace": HOSTILE, "since": 1e9}
    with open(bench.env["ENERGYCTL_LOCK"], "w") as lock:
        lock.write(json.dumps(note))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        for arguments in (["status"], ["doctor"], ["run", bench.parallel()], ["stop"]):
            assert_plain(on_a_terminal(bench, *arguments))
        told = json.loads(bench.look("status", "--json").stdout)["campaign"]
    assert told == note


def test_a_file_name_does_not_make_a_line(bench: Bench) -> None:
    assert_plain(on_a_terminal(bench, "run", f"no\nwarning: FORGED{HOSTILE}.json"))
    (bench.root / "results" / f"x{HOSTILE}.json").write_text("{")
    assert_plain(on_a_terminal(bench, "report"))


def test_a_name_that_is_no_text_is_not_completed(bench: Bench) -> None:
    for name in ("good", f"bad{HOSTILE}"):
        (bench.root / "settings" / f"{name}.json").write_text("{}")
    words = {"COMP_WORDS": "energyctl run settings/", "COMP_CWORD": "2"}
    shown = bench.run(env={"_ENERGYCTL_COMPLETE": "bash_complete", **words}).stdout
    assert "settings/good.json" in shown
    assert "bad" not in shown


def test_lines_are_printed_in_one_place() -> None:
    """`click.echo` and `print` are for whole documents."""
    documents = ("json_text(", "UDEV_RULE", "latex(", "new, nl", "json.dumps(make()", "submit.scr")
    documents += (
        "comparing.methods_text(",
        "completer(",
        "context.get_help()",
        "err=True)  # behind the ^C",
    )
    for path in CLI.rglob("*.py"):
        if path.name != "lines.py":
            for call in re.finditer(r"(?:click\.s?echo|(?<![\w.])print)\((.*)", path.read_text()):
                assert call[1].startswith(documents), f"{path}: {call[0]}"
