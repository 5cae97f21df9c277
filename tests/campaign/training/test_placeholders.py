"""Placeholders of the registry in real campaigns, in both roles."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench import Bench

PROGRAM = """
import argparse, os, time
parser = argparse.ArgumentParser()
for name in ("--model", "--out", "--epochs", "--seconds"):
    parser.add_argument(name)
given = parser.parse_args()
os.makedirs(given.out, exist_ok=True)
print(os.environ["WHO"], os.environ["WHERE"], flush=True)
for epoch in range(int(given.epochs)):
    print(f"Epoch {epoch + 1}/{given.epochs} of 9", flush=True)
time.sleep(float(given.seconds))
with open(os.path.join(given.out, "report.txt"), "w") as file:
    file.write(f"{given.epochs} epochs: acc 0.5\\n99 epochs: acc 0.9\\n")
"""

ENTRY: dict[str, Any] = {
    "path": "repos/front",
    "models": ["net[1]"],
    "train_script": "program.py",
    "interpreter": sys.executable,
    "model_flag": "--model=",
    "required_args": {"out": "--out {workdir}/model/{model}_{run_id}"},
    "env": {"WHO": "{role} of {epochs}", "WHERE": "~/x:$TRIALS"},
    "workspace": {"kind": "links", "writes": ["model"]},
    "outputs": {"keep": ["model/{model}_{run_id}/*"]},
    "progress": "^Epoch {number}/{epochs} of",
    "performance_metrics": {
        "log_patterns": {
            "accuracy": {
                "pattern": "^{epochs} epochs: acc {number}",
                "file": "model/{model}_{run_id}/*.txt",
                "required": True,
            }
        }
    },
    "supported_hyperparams": {
        "epochs": {"flag": "--epochs", "type": "int", "default": 3},
        "seconds": {"flag": "--seconds", "type": "float", "default": 0.3},
    },
}


def registered(bench: Bench, **fields: Any) -> None:
    registry = {"models": {"front": {**ENTRY, **fields}}}
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    (bench.root / "repos" / "front" / "program.py").write_text(PROGRAM)


def test_both_roles_get_their_own(bench: Bench) -> None:
    registered(bench)
    training = {"repo": "front", "model": "net[1]"}
    foreground = {**training, "hyperparameters": {"seconds": 1.0, "epochs": 4}}
    experiment = {"mode": "parallel", "foreground": foreground, "background": training}
    done = bench.run("run", bench.settings(experiments=[experiment]))
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = bench.results()
    measured = result["foreground_result"]
    assert measured["performance_metrics"] == {"accuracy": 0.5}
    assert not [text for text in result["warnings"] if "changed" in text or "output" in text]
    trials = bench.env["TRIALS"]
    home = bench.env.get("HOME", str(Path.home()))
    log = (bench.root / "results" / measured["log"]).read_text()
    assert f"foreground of 4 {home}/x:{trials}\n" in log
    kept = bench.root / "results" / measured["outputs"] / "model"
    (folder,) = kept.iterdir()
    assert folder.name.startswith("net[1]_")
    (job,) = result["background_info"]["jobs"]
    said = (bench.root / "results" / job["logs"] / "run_1.log").read_text()
    assert f"background of 3 {home}/x:{trials}\n" in said


def test_a_hyper_parameter_is_the_total_of_the_progress(bench: Bench) -> None:
    registered(bench)
    done = bench.run("models", "--test", "front/net[1]", "--set", "epochs=5", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["progress"] == [5.0, 5.0]


def test_a_variable_that_is_not_set_is_refused_before_anything_starts(bench: Bench) -> None:
    registered(bench, env={"WHO": "x", "WHERE": "$NOWHERE_TO_BE_SEEN/x"})
    name = bench.settings(experiments=[{"mode": "default", "repo": "front", "model": "net[1]"}])
    missing = "front: env WHERE needs $NOWHERE_TO_BE_SEEN, which is not set"
    assert bench.look("validate", "--static", name).returncode == 0
    here = bench.look("validate", name)
    assert here.returncode == 2
    assert missing in here.stderr
    done = bench.look("run", name)
    assert done.returncode == 2
    assert missing in done.stderr
    assert bench.results() == []
