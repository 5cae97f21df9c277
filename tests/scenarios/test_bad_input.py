"""Bad input: one clear line, the right exit code, nothing started, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import Bench

Preparation = Callable[[Bench], list[str]]


def missing_file(bench: Bench) -> list[str]:
    return ["run", "nowhere.json"]


def broken_json(bench: Bench) -> list[str]:
    (bench.root / "settings" / "broken.json").write_text('{\n  "experiments": [\n    {,}\n  ]\n}')
    return ["run", "broken.json"]


def no_experiments(bench: Bench) -> list[str]:
    (bench.root / "settings" / "empty.json").write_text('{"experiments": 3}')
    return ["run", "empty.json"]


def wrong_top_field(bench: Bench) -> list[str]:
    return ["run", bench.parallel(max_retries="two")]


def missing_clone(bench: Bench) -> list[str]:
    script = bench.root / "repos" / "back" / "train.sh"
    script.unlink()
    script.parent.rmdir()
    return ["run", bench.parallel()]


def not_executable(bench: Bench) -> list[str]:
    (bench.root / "repos" / "front" / "train.sh").chmod(0o644)
    return ["run", bench.parallel()]


def no_first_line(bench: Bench) -> list[str]:
    (bench.root / "repos" / "front" / "train.sh").write_text("echo hello\n")
    return ["run", bench.parallel()]


def missing_interpreter(bench: Bench) -> list[str]:
    (bench.root / "repos" / "front" / "train.sh").write_text("#!/no/such/python\n")
    return ["run", bench.parallel()]


def broken_registry(bench: Bench) -> list[str]:
    registry = bench.root / "settings" / "models_config.json"
    data = json.loads(registry.read_text())
    data["models"]["front"]["supported_hyperparams"]["learning_rate"]["range"] = [2, 1]
    registry.write_text(json.dumps(data))
    return ["run", bench.parallel()]


def results_are_a_file(bench: Bench) -> list[str]:
    (bench.root / "taken").write_text("")
    return ["run", bench.parallel(), "--results", "taken"]


def undefined_in_entries(bench: Bench) -> list[str]:
    path = bench.root / "templates" / "background.conf.j2"
    path.write_text(path.read_text().replace("{{ group }}", "{{ gruop }}"))
    return ["run", bench.parallel()]


def syntax_error_in_script(bench: Bench) -> list[str]:
    path = bench.root / "templates" / "background.sh.j2"
    path.write_text(path.read_text().replace("{% endfor %}", "{% endfro %}", 1))
    return ["run", bench.parallel()]


def undefined_in_daemon(bench: Bench) -> list[str]:
    path = bench.root / "supervisord.conf.j2"
    path.write_text(path.read_text() + "\nnocleanup={{ nope }}\n")
    return ["run", bench.parallel()]


def daemon_does_not_come_up(bench: Bench) -> list[str]:
    path = bench.root / "supervisord.conf.j2"
    path.write_text(path.read_text().replace("minfds=256", "minfds=many"))
    return ["run", bench.parallel()]


def required_meter_missing(bench: Bench) -> list[str]:
    return ["run", bench.parallel(require=["cpu"])]


def unknown_gpu(bench: Bench) -> list[str]:
    return ["run", bench.parallel(gpus=[7])]


def unknown_run(bench: Bench) -> list[str]:
    return ["run", bench.parallel(), "--only", "5"]


def no_file_at_all(bench: Bench) -> list[str]:
    return ["run"]


def rendered_is_missing(bench: Bench) -> list[str]:
    return ["run", bench.parallel(), "--rendered", "nowhere"]


def nothing_to_resume(bench: Bench) -> list[str]:
    return ["resume"]


CASES: list[tuple[Preparation, int, str]] = [
    (missing_file, 2, "nowhere.json"),
    (broken_json, 2, "line 3, column 6"),
    (no_experiments, 2, "experiments"),
    (wrong_top_field, 2, "max_retries"),
    (missing_clone, 2, "repos/back"),
    (not_executable, 2, "chmod +x"),
    (no_first_line, 2, "#!/bin/sh"),
    (missing_interpreter, 2, "/no/such/python"),
    (broken_registry, 2, "range"),
    (results_are_a_file, 3, "taken"),
    (undefined_in_entries, 2, "background.conf.j2, line"),
    (syntax_error_in_script, 2, "background.sh.j2, line"),
    (undefined_in_daemon, 2, "supervisord.conf.j2"),
    (daemon_does_not_come_up, 3, "does not come up"),
    (required_meter_missing, 3, "cpu cannot be measured"),
    (unknown_gpu, 2, "7"),
    (unknown_run, 2, "--only 5"),
    (no_file_at_all, 2, "settings file"),
    (rendered_is_missing, 2, "nowhere"),
    (nothing_to_resume, 2, "no campaign"),
]


@pytest.mark.parametrize(
    ("prepare", "code", "said"), CASES, ids=[prepare.__name__ for prepare, _, _ in CASES]
)
def test_bad_input_gets_a_clear_line(
    bench: Bench, prepare: Preparation, code: int, said: str
) -> None:
    started = bench.look if code == 2 else bench.run  # with 2, nothing begins
    done = started(*prepare(bench))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1
    assert bench.trials == []
    assert bench.results() == []
    assert not list((bench.root / "results").rglob("*.jsonl"))


def test_the_traceback_is_there_with_debug(bench: Bench) -> None:
    done = bench.run("--debug", "run", "nowhere.json")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_results_folder_without_permission_is_refused(bench: Bench) -> None:
    folder = bench.root / "closed"
    folder.mkdir(mode=0o555)
    assert bench.run("run", bench.parallel(), "--results", str(folder)).returncode == 3


def test_all_problems_of_all_files_are_named_at_once(bench: Bench) -> None:
    bad = [
        {"mode": "mutation", "repo": "frnt", "model": "small", "mutate": ["learning_rat"]},
        {"mode": "parallel", "foreground": {"repo": "front", "model": "smal"}},
        {"mode": "mutation", "repo": "front", "model": "small", "mutate": ["learning_rat"]},
    ]
    (bench.root / "settings" / "bad.json").write_text(
        json.dumps({"experiment_name": "bad", "experiments": bad}, indent=2)
    )
    done = bench.look("validate", "bad.json", "nowhere.json")
    assert done.returncode == 2
    for place in (
        "experiments[0].repo",
        "experiments[1].foreground.model",
        "experiments[2].mutate[0]",
        "nowhere.json",
    ):
        assert place in done.stderr
    assert "learning_rate" in done.stderr
    assert "bad.json:6" in done.stderr


def test_a_full_pipe_reader_that_leaves_is_no_error(bench: Bench, tmp_path: Path) -> None:
    name = bench.parallel(runs_per_config=500)
    popen = bench.start("plan", name, "--json")
    assert popen.stdout is not None
    popen.stdout.readline()
    popen.stdout.close()
    assert popen.wait(60) == 0
    assert popen.stderr is not None
    assert "Traceback" not in popen.stderr.read()


def test_json_on_standard_output_is_one_document(bench: Bench) -> None:
    bench.parallel()
    for command in ("plan x.json --json", "models --json", "doctor --json", "status --json"):
        done = bench.run(*command.split())
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)


def test_meter_passes_on_output_and_exit_code(bench: Bench) -> None:
    done = bench.run(
        "meter", "--json", "energy.json", "--out", "series", "--", "sh", "-c", "echo out; exit 7"
    )
    assert done.returncode == 7
    assert done.stdout == "out\n"
    assert "estimated" in done.stderr
    data = json.loads((bench.root / "energy.json").read_text())
    assert data["exit_code"] == 7
    assert data["command"] == ["sh", "-c", "echo out; exit 7"]
    assert data["energy"]["measured"] is False
    assert (bench.root / "series" / "cpu_power.csv").is_file()


def test_stop_and_status_say_that_nothing_runs(bench: Bench) -> None:
    stopped = bench.run("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "nothing is running\n")
    assert "not running" in bench.look("status").stdout


def test_a_folder_that_was_removed_is_named(tmp_path: Path) -> None:
    command = f"rmdir {tmp_path}; {sys.executable} -m energyctl meter -- true"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    said = "energyctl: the current folder was removed; cd to one that is there\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_init_makes_a_workspace_that_runs_and_keeps_what_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "energyctl", "init", str(tmp_path / "new")]
    subprocess.run(command, check=True, capture_output=True)
    edited = tmp_path / "new" / "settings" / "quickstart.json"
    edited.write_text("mine")
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert edited.read_text() == "mine"
    assert "quickstart" not in again.stdout.replace("run settings/quickstart.json", "")
    for name in ("templates/background.conf.j2", "supervisord.conf.j2", "repos", "results"):
        assert (tmp_path / "new" / name).exists()
