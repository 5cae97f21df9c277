"""`notify`: the user's command is told how a campaign ended, and changes nothing of it."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

from bench import Bench, wait_for
from energyctl.config import settings
from energyctl.integrations.notification import Ending, missing, notify

ENDING = Ending("a: 1 run \x1b[31mred\x1b[0m\nx", "a", "failed", 1, "h", "/r", {"failed": 1})

TELL = """#!/bin/sh
printf '%s\\n' "$@" > "$0.words"
cat > "$0.facts"
env > "$0.environment"
pwd > "$0.folder"
"""


def script(folder: Path, text: str = TELL) -> Path:
    path = folder / "tell.sh"
    path.write_text(text)
    path.chmod(0o755)
    return path


def problems(**fields: Any) -> list[str]:
    experiment = {"repo": "front", "model": "small", "mode": "default"}
    text = json.dumps({"experiment_name": "x", "experiments": [experiment], **fields})
    return [str(one) for one in settings.check(settings.parse(text, "x.json")).problems]


def test_its_placeholders_are_checked_and_other_braces_stay(tmp_path: Path) -> None:
    (said,) = problems(notify=["mail", "{sumary}"])
    assert said.endswith(
        'notify[1]: has an unknown placeholder "{sumary}"; write {summary}; '
        "literal braces are {{ and }}"
    )
    assert "known are {summary}, {campaign}, {status}, " in problems(notify=["mail", "{zzz}"])[0]
    assert "notify[0]: must name a program" in problems(notify=[" "])[0]
    assert "notify: " in problems(notify=[])[0]
    assert "notify: " in problems(notify="mail")[0]
    assert problems(notify=["curl", "-d", '{"text": "{summary}"}', "{{x}}"]) == []
    path = script(tmp_path)
    assert notify([str(path), '{"a": "{status}"}', "{{x}}", "{summary}"], ENDING, tmp_path) is None
    words = Path(f"{path}.words").read_text().splitlines()
    assert words == ['{"a": "failed"}', "{x}", "a: 1 run red x"]


def test_what_goes_wrong_is_one_line(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\necho first\nprintf 'no \\033[31mmail\\n' >&2\nexit 4\n")
    assert notify(["./tell.sh"], ENDING, tmp_path) == "notify: ./tell.sh exited with 4: no mail"
    assert notify(["/none"], ENDING, tmp_path) == (
        "notify: /none cannot be started: No such file or directory"
    )
    path.write_text("#!/bin/sh\nkill -TERM $$\n")
    said = notify([str(path)], ENDING, tmp_path)
    assert said == f"notify: {path} was ended by signal 15: it says nothing"


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    path = script(tmp_path, '#!/bin/sh\ntrap "" TERM\nsleep 1000 &\necho $! > "$0.pid"\nwait\n')
    began = time.monotonic()
    said = notify([str(path)], ENDING, tmp_path, limit_seconds=0.5)
    assert said == f"notify: {path} was killed after 500 ms: it says nothing"
    assert time.monotonic() - began < 10
    child = int(Path(f"{path}.pid").read_text())
    wait_for(lambda: gone(child), "the end of its child", 10)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_program_that_is_not_there_is_named_beforehand(tmp_path: Path) -> None:
    assert missing(["sh"], tmp_path) is None
    assert missing(["no-such"], tmp_path) == (
        "notify: there is no program no-such on PATH: nobody will be told"
    )
    assert missing(["./tell.sh"], tmp_path) is not None
    script(tmp_path)
    assert missing(["./tell.sh"], tmp_path) is None


def campaign(bench: Bench, seconds: float, **fields: Any) -> str:
    training = {"repo": "front", "model": "small", "hyperparameters": {"seconds": seconds}}
    experiment = {**training, "mode": "default", **fields.pop("experiment", {})}
    command = ["./tell.sh", "{summary}", "{campaign} {status} {exit_code}", "{results}"]
    return bench.settings(experiments=[experiment], notify=command, **fields)


def test_the_end_of_a_campaign_is_told(bench: Bench) -> None:
    path = script(bench.root)
    done = bench.run("run", campaign(bench, 0.1), env={"ENERGYCTL_RUN": "x/y/z"})
    assert done.returncode == 0, done.stderr
    assert "notify" not in done.stderr
    summary, status, results = Path(f"{path}.words").read_text().splitlines()
    lines = done.stdout.splitlines()
    (ended,) = [line for line in lines if line.startswith("trial: 1 run, succeeded")]
    assert summary.startswith(f"{ended} (")
    assert summary.endswith(f"; energyctl report {bench.root}/results)")
    assert (status, results) == ("trial succeeded 0", f"{bench.root}/results")
    facts = json.loads(Path(f"{path}.facts").read_text())
    assert (facts["text"], facts["runs"]) == (summary, {"succeeded": 1})
    assert facts["joules"] == bench.results()[0]["energy"]["total_joules"]
    assert Path(f"{path}.folder").read_text() == f"{bench.root}\n"
    assert "ENERGYCTL_RUN=" not in Path(f"{path}.environment").read_text()


def test_an_interrupted_one_says_how_to_go_on(bench: Bench) -> None:
    path = script(bench.root, TELL + "exit 7\n")
    running = bench.start("run", campaign(bench, 60.0))
    wait_for(lambda: bench.trials, "the training")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 130
    assert "warning: notify: ./tell.sh exited with 7: it says nothing" in said
    facts = json.loads(Path(f"{path}.facts").read_text())
    assert (facts["status"], facts["exit_code"]) == ("interrupted", 130)
    assert facts["resume"].startswith(f"energyctl -C {bench.root} resume ")
    assert "1 run, 1 interrupted; " in facts["text"]


def test_a_campaign_that_loses_its_results_is_told_of(bench: Bench) -> None:
    path = script(bench.root)
    running = bench.start("run", campaign(bench, 1.0, runs_per_config=3))
    wait_for(lambda: bench.results(), "a result")
    (bench.root / "results").rename(bench.root / "gone")
    _, said = running.communicate()
    assert running.returncode == 1, said
    facts = json.loads(Path(f"{path}.facts").read_text())
    assert (facts["status"], facts["exit_code"], facts["runs"]) == ("failed", 1, {})
    assert "vanished during the campaign" in facts["error"]
    assert facts["text"].startswith("trial: no run has a result; failed: ")


def test_nobody_is_told_where_nothing_was_started(bench: Bench) -> None:
    path = script(bench.root)
    path.chmod(0o644)
    done = bench.look("run", campaign(bench, 0.1, require=["dram"]))
    assert done.returncode == 3
    assert f"warning: notify: there is no program ./tell.sh in {bench.root}: nobody" in done.stderr
    assert not Path(f"{path}.words").exists()
