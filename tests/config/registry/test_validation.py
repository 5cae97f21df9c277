"""What is wrong with the grown-up parts of a registry: where, what, and what to do."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from energyctl.config import registry

ENTRY: dict[str, Any] = {
    "path": "repos/net",
    "data": "sets",
    "models": ["dense", "pcb"],
    "workspace": {"kind": "links", "writes": ["model"]},
    "steps": [
        {
            "name": "train",
            "command": ["{python}", "t.py", "--arch={model}", "{args}", "{params}"],
            "values": {"ckpt": "model/*.pth"},
        },
        {"name": "test", "command": ["e.py", "{ckpt}"], "roles": ["foreground"]},
    ],
    "per_model": {"dense": {"args": ["-d"], "defaults": {"lr": 1}, "ranges": {"lr": [0.5, 1]}}},
    "supported_hyperparams": {
        "lr": {"flag": "--lr", "type": "float", "range": [0.1, 2], "bounds": [0, 3]},
        "amp": {"flag": "--amp", "false_flag": "--no-amp", "type": "bool"},
        "wd": {"env_var": "WD", "type": "float"},
        "first": {"position": 1, "type": "str"},
    },
    "performance_metrics": {"log_patterns": {"loss": {"pattern": "loss {number}"}}},
    "progress": "Epoch {number}/{number}",
    "work": {"pattern": "step {number}", "unit": "steps"},
    "outputs": {"keep": ["model/*.pth"], "delete": ["runs"]},
    "preflight": {"files": ["{data}/train", "t.py"], "imports": ["torch.nn"]},
}
GONE = object()


def changed(where: str, value: Any) -> dict[str, Any]:
    """The entry with one value set (or removed) at a path like ``steps.0.name``."""
    entry = copy.deepcopy(ENTRY)
    inner: Any = entry
    *path, last = [int(part) if part.isdigit() else part for part in where.split("/")]
    for part in path:
        inner = inner[part]
    if value is GONE:
        del inner[last]
    elif isinstance(inner, list):
        inner[last : last + 1] = [value]
    else:
        inner[last] = value
    return {"models": {"net": entry}}


def test_the_entry_that_the_cases_change_is_fine() -> None:
    assert registry.problems(changed("comment", "x")) == ()


H = "supported_hyperparams"
M = "performance_metrics/log_patterns"
CONFIG: dict[str, Any] = {"type": "float", "config": {"file": "conf/x.yaml", "key": "a.b"}}
CASES: list[tuple[str, Any, str, str]] = [
    # where it is changed, to what; place of the problem, and what is said
    ("command", ["x"], "net", "one of them only"),
    ("steps", [], "steps", "must not be empty"),
    ("accepted_exit_codes", [0], "accepted_exit_codes", "write it into the step"),
    ("prepare", ["{pyhton}", "f.py"], "prepare[0]", "write {python}"),
    ("prepare", ["f.py", "{model}"], "prepare[1]", "run once, for all models and values"),
    ("prepare", ["f.py", "--lr={lr}"], "prepare[1]", "{lr} has no value"),
    ("prepare", ["f.py", "{ckpt}"], "prepare[1]", "unknown placeholder"),
    ("prepare", ["f.py", "{"], "prepare[1]", "literal braces"),
    ("prepare", [], "prepare", "must not be empty"),
    (f"{H}/amp/scales_duration", True, "amp.scales_duration", "no meaning for type bool"),
    ("prepare", "f.py", "prepare", ""),
    ("prepare", {"command": ["f", "{role}"]}, "prepare.command[1]", "{role} has no value"),
    ("prepare", {"command": ["f"], "timeout": 9}, "prepare.timeout", 'write "timeout_seconds"'),
    ("prepare", {"command": ["f"], "timeout_seconds": 0}, "prepare.timeout_seconds", "more than 0"),
    ("model_flag", "-m", "model_flag", "has no effect"),
    ("steps/0/name", "a b", "steps[0].name", "letters, digits"),
    ("steps/1/name", "train", "steps", 'names "train" more than once'),
    ("steps/0/train_script", "x.py", "steps[0]", 'either "train_script" or "command"'),
    ("steps/0/command", GONE, "steps[0]", 'either "train_script" or "command"'),
    ("steps/0/metered", False, "steps", "none of the foreground's steps is metered"),
    ("steps/0/roles", ["background"], "steps[1].command[1]", "no earlier step of the foreground"),
    ("steps/1/roles", ["foreground", "b"], "steps[1].roles[1]", '"foreground" or "background"'),
    (
        "steps/1",
        {"name": "b", "command": ["x"], "roles": ["background"], "metered": True},
        "steps[1].metered",
        "only the foreground is metered",
    ),
    ("steps/0/roles", ["foreground"], "steps", "has no step for the background"),
    ("steps/0/timeout_seconds", 0, "steps[0].timeout_seconds", "more than 0"),
    ("steps/0/accepted_exit_codes", [256], "accepted_exit_codes[0]", "at most 255"),
    ("steps/0/timeout", 1, "steps[0].timeout", 'write "timeout_seconds"'),
    ("steps/1", {"name": "b", "comand": ["x"]}, "steps[1].comand", 'write "command"'),
    ("steps/0/env", {}, "steps[0].env", "repository's entry"),
    ("steps/0/values", {"model": "x"}, "values.model", "rename it"),
    ("steps/0/values", {"lr": "x"}, "values.lr", "rename it"),
    ("steps/0/values", {"a-b": "x"}, "values.a-b", "letters, digits"),
    ("steps/0/values", {"ckpt": "/tmp/*"}, "values.ckpt", "leads out of the folder"),
    ("steps/1/values", {"ckpt": "x"}, "steps[1].values.ckpt", "earlier step already"),
    ("steps/1/command", ["{ckp}"], "steps[1].command[0]", "write {ckpt}"),
    ("steps/0/command/1", "{ckpt}", "steps[0].command[1]", "no earlier step"),
    ("steps/0/command/3", "x{args}", "steps[0].command[3]", "element of its own"),
    ("steps/0/command/3", "x", "per_model.dense.args", "add {args}"),
    ("steps/0/command/4", "x", "supported_hyperparams.lr", "never reaches"),
    ("steps/0/command/1", "{wd}", "steps[0].command[1]", 'has a "env_var", too'),
    ("data", GONE, "preflight.files[0]", 'add "data"'),
    ("per_model/denes", {}, "per_model.denes", 'write "dense"'),
    ("per_model/dense/defaults", {"lrr": 1}, "defaults.lrr", 'write "lr"'),
    ("per_model/dense/defaults", {"lr": "1"}, "defaults.lr", "as its type says"),
    ("per_model/dense/defaults", {"lr": 9}, "defaults.lr", "as its bounds say"),
    ("per_model/dense/ranges", {"lr": [1, 0]}, "ranges.lr", "starts above its end"),
    ("per_model/dense/ranges", {"lr": [1, 9]}, "ranges.lr[1]", "as its bounds say"),
    ("per_model/dense/ranges", {"amp": [0, 1]}, "ranges.amp", "no meaning for type bool"),
    ("per_model/dense/env", {"A=": "x"}, "env.A=", "no name of an environment variable"),
    ("per_model/dense/interpreter", "x", "dense.interpreter", "repository's entry"),
    ("role_env", {"forground": {}}, "role_env.forground", "is no role"),
    ("workspace", "link", "workspace", '"links"'),
    ("workspace/kind", "in_place", "workspace.writes", "has no effect"),
    ("workspace/writes", ["../x"], "writes[0]", "leads out"),
    ("workspace/writes", ["./"], "writes[0]", "whole folder"),
    ("workspace", {"kind": "links", "write": ["x"]}, "workspace.write", 'write "writes"'),
    ("path", GONE, "workspace", "needs a clone of its own"),
    ("interpreter", "conda:", "interpreter", "names no conda environment"),
    ("outputs/keep", ["/x"], "keep[0]", "leads out"),
    ("outputs", {"keeps": ["x"]}, "outputs.keeps", 'write "keep"'),
    ("preflight/imports", ["a b"], "imports[0]", "no name of a module"),
    ("progress", "Epoch", "progress", "{number}"),
    ("progress", "(", "progress", "no regular expression"),
    ("progress", r"of (?P<total>\d+)", "progress", "done"),
    ("work/pattern", "step", "work.pattern", "{number}"),
    ("work/pattern", "(", "work.pattern", "no regular expression"),
    ("work/pattern", "{number}/{epoch}", "work.pattern", "{epoch}"),
    ("work/unit", GONE, "work.unit", "is missing"),
    ("work", {"patern": "{number}", "unit": "steps"}, "work.patern", 'write "pattern"'),
    (f"{H}/lr/flag", "-lr x", "lr.flag", 'write "-lr"'),
    (f"{H}/lr/flag", "", "lr.flag", "must not be empty"),
    (f"{H}/lr/flag", GONE, "lr", '"flag" is missing'),
    (f"{H}/lr/env_var", "LR", "lr", "two ways at once"),
    (f"{H}/lr/unsupported", True, "lr", "two ways at once"),
    (f"{H}/lr/unsupported", 3, "lr.unsupported", "must be true or a reason"),
    (f"{H}/lr/bounds", [0, 1], "lr.range[1]", "must be at most 1, as its bounds say"),
    (f"{H}/lr/bounds", [3, 0], "lr.bounds", "write [0, 3]"),
    (f"{H}/lr/bounds", [0, float("nan")], "lr.bounds[1]", "finite"),
    (f"{H}/wd/bound", [0, 1], "wd.bound", 'write "bounds"'),
    (f"{H}/lr/default", 4, "lr.default", "as its bounds say"),
    (f"{H}/lr/false_flag", "-n", "lr.false_flag", "for a bool"),
    (f"{H}/amp/bounds", [0, 1], "amp.bounds", "no meaning"),
    (f"{H}/wd", {"template": ["--wd"], "type": "int"}, "wd.template", "{value}"),
    (f"{H}/wd/env_var", "A=B", "wd.env_var", "no name"),
    (f"{H}/wd2", {"env_var": "WD", "type": "int"}, "wd2.env_var", 'that of "wd"'),
    (f"{H}/last", {"position": 1, "type": "int"}, "last.position", 'that of "first"'),
    (f"{H}/wd", {"unsupported": "no", "env_var": "W", "type": "int"}, "wd", "two ways"),
    (f"{H}/wd", {**CONFIG, "env_var": "W"}, "wd", "two ways at once"),
    (f"{H}/wd", {**CONFIG, "config": {"file": "x.ini", "key": "a"}}, "wd.config.file", ".toml"),
    (f"{H}/wd", {**CONFIG, "config": {"file": "../x.py", "key": "a"}}, "config.file", "leads out"),
    (f"{H}/wd", {**CONFIG, "config": {"files": "x.py", "key": "a"}}, "config.files", '"file"'),
    (f"{H}/wd", {**CONFIG, "config": {"file": "x.py"}}, "wd.config.key", "is missing"),
    (f"{H}/amp", {**CONFIG, "true_false": ["1", "0"]}, "amp.true_false", "type float"),
    (f"{H}/amp/true_false", ["1", "1"], "amp.true_false", "alike"),
    (
        f"{H}/amp",
        {**CONFIG, "type": "bool", "true_false": ["1", "0"]},
        "amp.true_false",
        "words of its own",
    ),
    (f"{M}/loss/pattern", "loss", "loss.pattern", "write {number}"),
    (f"{M}/loss/pattern", "({number}", "loss.pattern", "no regular expression"),
    (f"{M}/loss/select", "best", "loss.select", '"last"'),
    (f"{M}/loss/scale", 0, "loss.scale", "must not be 0"),
    (f"{M}/loss/fil", "x", "loss.fil", 'write "file"'),
    (f"{M}/loss/file", "../x", "loss.file", "leads out"),
    (f"{M}/loss", {"file": "a.csv"}, "loss", 'a "column", a "key" or a "tag"'),
    (f"{M}/loss/column", "loss", "loss.column", 'has no effect beside "pattern"'),
    (f"{M}/loss", {"column": "x"}, "loss.column", 'add "file"'),
    (f"{M}/loss", {"told": "x", "file": "a"}, "loss.file", 'has no effect beside "told"'),
    (f"{M}/loss/told", "loss", "loss.told", 'has no effect beside "pattern"'),
    (f"{M}/loss", {"tag": "", "file": "x"}, "loss.tag", "must not be empty"),
    (f"{M}/loss", {"key": "x", "file": "*.log"}, "loss.file", ".jsonl or .ndjson"),
    (
        f"{M}/loss",
        {"key": "x", "file": "a.json", "series": True},
        "loss.series",
        "JSON lines (.jsonl)",
    ),
    (f"{M}/loss/reach", 0.5, "loss.reach", '"higher" or "lower"'),
    (f"{M}/loss/reach", "0.5", "loss.reach", "must be a number"),
    (f"{M}/loss/better", "less", "loss.better", '"lower"'),
    (f"{M}/loss", {"colum": "x", "file": "*.log"}, "loss.colum", 'write "column"'),
    (f"{H}/lr/values", [1, 2], "lr.values", 'write "choices"'),
    ("steps/1/value", {}, "steps[1].value", 'write "values"'),
    (
        "steps/1/performance_metrics",
        {"log_patterns": {"loss": "{number}"}},
        "steps[1].performance_metrics.log_patterns.loss",
        "is read elsewhere, too",
    ),
]


@pytest.mark.parametrize(("where", "value", "place", "message"), CASES)
def test_a_fault_is_found_where_it_stands(where: str, value: Any, place: str, message: str) -> None:
    found = registry.problems(changed(where, value))
    assert any(
        problem.where.endswith(place) and message in f"{problem.message}; {problem.suggestion}"
        for problem in found
    ), [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("step", "steps"),
        ("metrics", "performance_metrics"),
        ("performance_metrics/metrics", "performance_metrics/log_patterns"),
    ],
)
def test_another_name_in_place_of_a_field_is_named(place: str, meant: str) -> None:
    data = changed(place, {})
    inner = data["models"]["net"]
    *outer, field = meant.split("/")
    for name in outer:
        inner = inner[name]
    del inner[field]
    wrong = place.rpartition("/")[2]
    named = {(p.where.rpartition(".")[2], p.suggestion) for p in registry.problems(data)}
    assert (wrong, f'write "{field}", or "_{wrong}" for free text') in named


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        ({"workspace": "in_place"}, "wd.config", 'add "workspace": "links", or "copy"'),
        (
            {"workspace": {"kind": "links", "shared": ["conf"]}},
            "wd.config.file",
            "which all runs share",
        ),
        ({"command": ["{repo}/conf/x.yaml", "{model}"]}, "command[0]", "write {workdir}/conf/x.y"),
        ({H: {"wd": CONFIG, "lr": CONFIG}}, "lr.config.key", 'that of "wd", too'),
    ],
)
def test_a_value_in_a_file_needs_a_folder_of_the_run(
    fields: dict[str, Any], place: str, message: str
) -> None:
    entry = {
        "path": "repos/net",
        "models": ["a", "b"],
        "command": ["{python}", "{model}"],
        "workspace": "copy",
        H: {"wd": CONFIG},
    }
    assert registry.problems({"models": {"net": entry}}) == ()
    (problem,) = registry.problems({"models": {"net": {**entry, **fields}}})
    assert problem.where.endswith(place)
    assert message in f"{problem.message}; {problem.suggestion}"


def test_metered_steps_follow_one_another() -> None:
    data = changed("steps/1/metered", False)
    third = {"name": "again", "command": ["x"], "metered": True}
    data["models"]["net"]["steps"].append(third)
    (problem,) = registry.problems(data)
    assert "metered steps must follow one another: train, again" in problem.message
    data["models"]["net"]["steps"][1]["metered"] = True
    assert registry.problems(data) == ()


def test_models_that_differ_by_their_arguments_need_no_name() -> None:
    data = changed("steps/0/command/2", "x")
    assert registry.problems(data) == ()
    data["models"]["net"]["models"].append("hrnet")
    assert "is the same for all models" in registry.problems(data)[0].message


def validated(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "energyctl", "validate", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_validate_names_the_problems_of_registry_and_settings_together(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(changed(f"{H}/lr/flag", "-lr x"), indent=1))
    (tmp_path / "x.json").write_text('{"experiments": [], "max_retries": "two"}')
    done = validated("x.json", "--models", "bad.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "models.net.supported_hyperparams.lr.flag: holds a space" in done.stderr
    assert "bad.json:" in done.stderr
    assert "max_retries" in done.stderr
    assert "Traceback" not in done.stderr


def test_validate_takes_a_registry_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(changed("comment", "x")))
    (tmp_path / "bad.json").write_text(json.dumps(changed("progress", "(")))
    good = validated("good.json", cwd=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert "1 repository, 2 models" in good.stdout
    bad = validated("good.json", "bad.json", cwd=tmp_path)
    assert bad.returncode == 2
    assert "models.net.progress: is no regular expression" in bad.stderr


def test_models_are_shown_with_all_that_makes_their_run(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps(changed("comment", "x")))
    command = [sys.executable, "-m", "energyctl", "models", "--models", "models.json"]
    text, document = (
        subprocess.run(
            [*command, *more], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for more in ([], ["--json"])
    )
    for shown in ("dense alone: -d", "links, fresh for each run", "0.1 … 2.0", "WD=VALUE",
                  "not metered", "hands on ckpt: model/*.pth", "loss {number}"):  # fmt: skip
        assert shown in " ".join(text.split()), shown
    resolved = json.loads(document)["resolved"]["net"]
    rate = resolved["models"]["dense"]["hyperparameters"]["lr"]
    assert (rate["default"], rate["range"], rate["bounds"]) == (1.0, [0.5, 1.0], [0.0, 3.0])
    assert resolved["models"]["pcb"]["hyperparameters"]["lr"]["range"] == [0.1, 2.0]
    assert [step["metered"] for step in resolved["steps"]] == [True, False]


def test_the_examples_of_the_documentation_are_valid() -> None:
    text = (Path(__file__).parents[3] / "docs" / "registry.md").read_text("utf-8")
    whole, *parts = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert registry.problems(json.loads(whole)) == ()
    assert len(parts) >= 7
    for part in parts:
        entry = {
            "path": "repos/x",
            "models": ["densenet121", "pcb"],
            "supported_hyperparams": {
                "learning_rate": {"flag": "--lr", "type": "float"},
                "weight_decay": {"flag": "--wd", "type": "float"},
            },
            **json.loads(f"{{{part}}}"),
        }
        if not entry.keys() & {"command", "steps"}:
            entry["command"] = ["{python}", "{model}", "{args}", "{params}"]
        if "{data}" in part:
            entry["data"] = "data"
        assert registry.problems({"models": {"x": entry}}) == (), part


@pytest.mark.parametrize(
    "pattern",
    ["(a{1000000000})", "((a{1000}){1000}){2}", f"(a{{{'9' * 5000}}})", "(a{9999999999})"],
)
def test_a_pattern_that_repeats_too_often_is_one_line(pattern: str) -> None:
    (problem,) = registry.problems(changed("progress", pattern))
    assert "is no regular expression: " in problem.message


@pytest.mark.parametrize(
    "where",
    ["performance_metrics/log_patterns/loss/pattern", "progress", "work/pattern", "steps/1"],
)
def test_a_pattern_that_explodes_is_a_warning(where: str) -> None:
    step = {
        **ENTRY["steps"][1],
        "performance_metrics": {"log_patterns": {"mAP": r"(\s*m*)*AP {number}$"}},
    }
    data = changed(where, step if where == "steps/1" else r"(\s*m*)*AP {number}$")
    assert registry.problems(data) == ()
    (warning,) = registry.warnings(data)
    assert warning.severity == "warning"
    assert warning.where.startswith("models.net." + where.split("/")[0])
    assert "takes too long on some long lines" in warning.message
