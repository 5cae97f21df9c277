"""Machines that are set up in another way: locales, modules in the workspace, no /proc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import energyctl
from bench import DEADLINE_SECONDS, REGISTRY, TRAIN, Bench, shadow_modules

PROGRAM = Path(energyctl.__file__).with_name("__main__.py")
NAME = "größe-模型"

LOCALES = {
    "german": ("de_DE", "ISO-8859-1"),
    "chinese": ("zh_CN", "GBK"),
    "ascii": None,
}


def locale_environment(folder: Path, name: str) -> tuple[dict[str, str], str]:
    """The environment of a locale that is made in *folder*, and Python's name of its encoding."""
    wanted = LOCALES[name]
    if wanted is None:
        return {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "ascii"
    language, charmap = wanted
    folder.mkdir()
    made = folder / f"{language}.{charmap}"
    if shutil.which("localedef") is None:
        pytest.skip("no localedef on this machine")
    command = ["localedef", "-i", language, "-f", charmap, str(made)]
    if subprocess.run(command, capture_output=True, check=False).returncode > 1:
        pytest.skip(f"localedef cannot make {made.name} here")
    return {"LOCPATH": str(folder), "LC_ALL": made.name}, charmap


def called(
    bench: Bench, arguments: str, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """`energyctl …` by its file, behind the command *before*."""
    return subprocess.run(
        [*before, bench.python, PROGRAM, *arguments.split()],
        cwd=bench.root,
        env=bench.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("name", LOCALES)
def test_names_of_any_language_in_any_locale(bench: Bench, tmp_path: Path, name: str) -> None:
    """In the settings, in paths, as arguments, in what a training prints."""
    env, encoding = locale_environment(tmp_path / "locales", name)
    root = bench.root.rename(tmp_path / f"Büro {NAME}")
    bench.root = root
    registry = json.loads(json.dumps(REGISTRY))
    for repository in registry["models"].values():
        repository["models"].append(NAME)
        repository["path"] = f"repos/{NAME}"
    clone = root / "repos" / NAME
    (root / "repos" / "front").rename(clone)
    said = f'os.write(1, "größe: {NAME}\\n".encode())\n'
    (clone / "train.sh").write_text(TRAIN.format(python=sys.executable) + said, encoding="utf-8")
    (root / "settings" / "models_config.json").write_text(json.dumps(registry))
    job = {"model": NAME, "hyperparameters": {"seconds": 1.0, "behaviour": NAME}}
    load = {**job, "repo": "back", "hyperparameters": {"seconds": 0.2, "behaviour": NAME}}
    bench.parallel(foreground=job, background=load, experiment_name=NAME)
    for arguments in (["validate", "x.json"], ["plan", "x.json"], ["run", "x.json"], ["status"]):
        done = subprocess.run(
            [bench.python, PROGRAM, *arguments],
            cwd=root,
            env={**bench.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), done
        done.stdout.decode("utf-8" if name == "ascii" else encoding)
    (result,) = bench.results()
    assert (result["status"], result["campaign"]) == ("succeeded", NAME)
    assert result["foreground_result"]["model"] == NAME
    (load_job,) = result["background_info"]["jobs"]
    assert load_job["iterations"] >= 1
    assert load_job["failures"] == 0
    assert (
        f"größe: {NAME}\n".encode()
        in (root / "results" / result["foreground_result"]["log"]).read_bytes()
    )
    for trial in bench.trials:
        received = [text.encode(encoding, "surrogateescape").decode() for text in trial["argv"]]
        assert received.count(NAME) == 2
        assert trial["cwd"].encode(encoding, "surrogateescape").decode() == str(clone)


# -- modules in the workspace ----------------------------------------------------------------


def test_no_module_of_the_workspace_is_imported(bench: Bench, tmp_path: Path) -> None:
    """Whatever the files there are called; the quick start's training included."""
    seen = tmp_path / "imported"
    shadow_modules(bench.root, seen)
    packaged = json.loads((PROGRAM.parents[1] / "settings" / "models_config.json").read_text())
    registry = {"models": {**REGISTRY["models"], "digits": packaged["models"]["digits"]}}
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    digits = {"repo": "digits", "model": "mlp", "hyperparameters": {"epochs": 1}}
    bench.parallel(foreground=digits)
    for arguments in (
        "validate x.json", "plan x.json", "render x.json --out rendered", "run x.json", "status",
        "models", "models --test front/small", "doctor", "report", "export --out tables", "stop",
        "meter -- true", "migrate x.json", "schema",
    ):  # fmt: skip
        done = called(bench, arguments)
        assert not seen.exists(), f"{arguments}: {seen.read_text()}"
        assert done.returncode == 0, (arguments, done)
    assert bench.results()[0]["status"] == "succeeded"


def test_typed_by_hand_the_module_drops_the_current_folder(tmp_path: Path) -> None:
    """`python -m energyctl` imports a few modules itself, before ours begins."""
    seen = tmp_path / "imported"
    (tmp_path / "click.py").write_text(f"open({str(seen)!r}, 'w')\nraise ImportError\n")
    for options in (["-m", "energyctl"], ["-P", "-m", "energyctl"], ["-I", "-m", "energyctl"]):
        if "-P" in options and sys.version_info < (3, 11):
            continue
        done = subprocess.run(
            [sys.executable, *options, "validate", "x.json"],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, (options, done)
        assert "x.json" in done.stderr
    assert not seen.exists()


# -- no /proc --------------------------------------------------------------------------------


def test_without_proc_one_line_says_so(bench: Bench) -> None:
    """It is unmounted in a mount namespace of the command's own."""
    hidden = ["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*hidden, "true"], check=False).returncode:
        pytest.skip("/proc cannot be unmounted here: no unshare, or no right to")
    bench.parallel()
    for arguments in ("run x.json", "status", "stop", "doctor"):
        done = called(bench, arguments, hidden)
        assert done.returncode == 3, (arguments, done)
        assert done.stderr.startswith("energyctl: no /proc here"), (arguments, done)
        assert len(done.stderr.splitlines()) == 1
    assert not bench.trials
