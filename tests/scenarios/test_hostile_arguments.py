"""Any string of the user reaches the training as exactly that string, and nothing else happens."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bench import Bench, wait_for
from energyctl.background import entries
from energyctl.config.plan import BackgroundJob, Training
from energyctl.config.registry import Invocation
from energyctl.system.workspace import packaged
from supervised import World, files_of, job, make_run, supervised

TEMPLATES = (packaged() / "templates/background.conf.j2", packaged() / "templates/background.sh.j2")

# Writes its arguments and two variables to the file named first, separated by NUL.
ECHO = """\
import os, sys
texts = [*map(os.fsencode, sys.argv[2:]), os.environb[b"HOSTILE"], os.environb[b"HOSTILE_NAME"]]
with open(sys.argv[1] + ".part", "wb") as file:
    file.write(b"\\0".join(texts))
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""

PIECES = [
    *" \t\n\r;#%'\"\\`$&|<>(){}[]*?!~=,:^-+@/.",
    *("$(touch evil)", "`touch evil`", "${HOME}", "$'x'", "%(here)s", "%%", "%(ENV_HOME)s", " ;"),
    *("\n[program:evil]\ncommand=touch evil\n", "]]>", "EOF", "--", "-rf", "{{ value }}", "{% if"),
    *("é", "ü", "漢字", "\u00a0", "\u2028", "\u202e", "🔥", "\x1b[31m", "\x7f", "a", "Z", "0"),
]
PLAIN = ["", " ", "-", "--", "--job", "-c", "'", '"', "\\", "\\\n", "\n", "$", "!", "~", "*", "\t "]


def hostile_strings(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    made = [*PLAIN, "x" * 100_000, "'\n\"" * 20_000]
    while len(made) < count:
        text = "".join(draw.choices(PIECES, k=draw.randint(1, 12)))
        text += chr(draw.choice([draw.randint(1, 0x2FF), draw.randint(0xE000, 0x10FFFF)]))
        made.append(text)
    return made


def told(path: Path) -> list[str]:
    return [item.decode() for item in path.read_bytes().split(b"\0")]


def test_a_thousand_hostile_arguments_reach_the_training_unchanged(tmp_path: Path) -> None:
    strings = hostile_strings(1000, seed=20)
    assert len(set(strings)) == 1000
    chunks = [strings[start : start + 100] for start in range(0, 1000, 100)]
    folder = tmp_path / 'it\'s %(here)s; "a" #1 ü\n$(touch evil)'
    folder.mkdir()

    def invocations_of(training: Training, *_: object) -> tuple[Invocation, ...]:
        number = int(training.model)
        argv = (sys.executable, "-S", "-c", ECHO, f"told {number}", *chunks[number])
        env = {"HOSTILE": "".join(strings[20:60]), "HOSTILE_NAME": "a=b\n'c'"}
        return (Invocation(argv, str(folder), env),)

    background = [BackgroundJob(Training("r", str(number), {})) for number in range(10)]
    run, files = make_run(*background), files_of(folder, "E")
    rendered = entries.render(run, files, tmp_path, TEMPLATES, invocations_of, keep_logs="all")
    script = tmp_path / "background.sh"
    script.write_text(rendered.script)
    subprocess.run(["bash", "-n", script], check=True, timeout=30)
    for number, made in enumerate(rendered.jobs):
        done = subprocess.run(["bash", script, made.name], cwd=tmp_path, check=False, timeout=30)
        assert done.returncode == 0
        assert told(folder / f"told {number}") == [
            *chunks[number],
            "".join(strings[20:60]),
            "a=b\n'c'",
        ]
    assert list(tmp_path.rglob("evil")) == []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with supervised(tmp_path / "it's %(here)s; #1 ü $(touch evil)") as made:
        yield made


def test_hostile_arguments_pass_through_a_real_supervisord(world: World) -> None:
    strings = hostile_strings(120, seed=21)
    out = world.root / "told"
    argv: Sequence[str] = (sys.executable, "-S", "-c", ECHO, str(out), *strings)
    world.commands["large"] = argv
    environment = {**os.environ, "HOSTILE": "".join(strings[20:40]), "HOSTILE_NAME": "%(here)s ;#"}
    slow = job("large", restart_delay_seconds=5)
    background = world.background("e1", slow, environment=environment)
    background.start()
    wait_for(out.exists, "the training", 20)
    assert background.stop().left == ()
    assert told(out) == [*strings, "".join(strings[20:40]), "%(here)s ;#"]
    assert list(world.root.rglob("evil")) == []


@pytest.mark.parametrize(
    "name", ["a  b; c #d 50%(here)s 'e' \"f\" ü漢 $(touch evil)", "-n\tx\\ `y`"]
)
def test_a_workspace_with_a_hostile_path_works_from_end_to_end(bench: Bench, name: str) -> None:
    bench.root = bench.root.rename(bench.root.with_name(name))
    foreground = {"hyperparameters": {"seconds": 0.5, "behaviour": "a 'b' ; %(c)s $(touch evil)"}}
    background = {
        "repo": "back",
        "model": "large",
        "hyperparameters": {"seconds": 0.1, "behaviour": 'd "e" # %f `g`\n\\h'},
    }
    done = bench.run("run", bench.parallel(foreground=foreground, background=background))
    assert done.returncode == 0, done.stdout + done.stderr
    for role, repo, value in (
        ("foreground", "front", foreground["hyperparameters"]["behaviour"]),
        ("background", "back", background["hyperparameters"]["behaviour"]),  # type: ignore[index]
    ):
        trials = [trial for trial in bench.trials if trial["role"] == role]
        assert trials
        for trial in trials:
            assert trial["argv"][trial["argv"].index("--behaviour") + 1] == value
            assert trial["cwd"] == str(bench.root / "repos" / repo)
    (result,) = bench.results()
    assert result["background_info"]["jobs"][0]["failures"] == 0
    assert list(bench.root.parent.rglob("evil")) == []
