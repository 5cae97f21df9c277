"""Placeholders: one set and one spelling in every text of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energyctl.config import registry
from energyctl.config.registry import Interpreter, InvocationContext
from energyctl.config.registry.metrics import progress_of, read_metrics
from energyctl.config.registry.placeholders import filled, filled_pattern, with_wildcards
from energyctl.errors import SettingsError

ENVIRON = {"HOME": "/home/ada", "SCRATCH": "/scratch", "PATH": "/usr/bin"}
FOLDER = Path("/lab/results/work_E")
PARAMETERS: dict[str, Any] = {
    "epochs": {"flag": "-e", "type": "int", "default": 10},
    "rate": {"flag": "-l", "type": "float"},
    "tag": {"flag": "-t", "type": "str"},
}


def entry(**fields: Any) -> dict[str, Any]:
    whole = {
        "path": "repos/net",
        "models": ["a.b[1]"],
        "train_script": "train.py",
        "data": "sets",
        "supported_hyperparams": PARAMETERS,
        **fields,
    }
    return {"models": {"net": whole}}


def context(environ: dict[str, str] = ENVIRON) -> InvocationContext:
    python = Interpreter("/env/bin/python", {"PATH": "/env/bin:/usr/bin"})
    return InvocationContext(Path("/lab"), python, "foreground", FOLDER, "E", environ)


def resolved(values: dict[str, Any], **fields: Any) -> registry.Repository:
    known = registry.parse(entry(**fields), "x").repositories["net"]
    return registry.resolved(known, "a.b[1]", values, context())


def started(values: dict[str, Any], **fields: Any) -> registry.Invocation:
    known = registry.parse(entry(**fields), "x").repositories["net"]
    return registry.invocations(known, "a.b[1]", values, context())[0]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{a}/x{b}", "1/x2"),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{1}"),
        ('{"k": {"l": {a}}}', '{"k": {"l": 1}}'),
        ('{"k":{"l":2}}', '{"k":{"l":2}}'),
        ('{{"k": {{"l": {a}}}}}', '{"k": {"l": 1}}'),
        ("{3} {1,2} {} { $a", "{3} {1,2} {} { $a"),
    ],
)
def test_names_are_filled_in_and_other_braces_stay(text: str, becomes: str) -> None:
    assert filled(text, {"a": "1", "b": "2"}) == becomes


@pytest.mark.parametrize(
    ("pattern", "becomes"),
    [
        (r"{number}/{a}", r"{number}/1"),
        (r"\{a\} {a}", r"\{a\} 1"),
        (r"\\{a}", r"\\1"),
        (r"x{2}y{1,3}\N{DEGREE SIGN}", r"x{2}y{1,3}\N{DEGREE SIGN}"),
    ],
)
def test_in_patterns_quantifiers_escapes_and_numbers_stay(pattern: str, becomes: str) -> None:
    assert filled_pattern(pattern, {"a": "1"}.__getitem__) == becomes


def test_arguments_and_variables_are_filled_in_alike() -> None:
    invoked = started(
        {"epochs": 3, "rate": 1e-5},
        required_args={"out": "--out {workdir}/{run_id} --json '{\"a\": 1}'", "n": ["{epochs}"]},
        per_model={"a.b[1]": {"args": ["--cache", "{data}"], "env": {"A": "{rate} {role}"}}},
        env={"B": "{model}", "JSON": '{"a": {"b": 1}}', "RAW": "{{repo}}"},
    )
    assert invoked.argv == (
        *("/env/bin/python", f"{FOLDER}/train.py", "--cache", "/lab/sets"),
        *("--out", f"{FOLDER}/E", "--json", '{"a": 1}', "3", "-e", "3", "-l", "1e-05"),
    )
    assert invoked.env["A"] == "1e-05 foreground"
    assert invoked.env["B"] == "a.b[1]"
    assert invoked.env["JSON"] == '{"a": {"b": 1}}'
    assert invoked.env["RAW"] == "{repo}"


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("~/x:~:a~b:/c/~", "/home/ada/x:/home/ada:a~b:/c/~"),
        ("$SCRATCH/${SCRATCH}_1/$$SCRATCH", "/scratch//scratch_1/$SCRATCH"),
        ("{repo}/bin:$PATH", "/lab/repos/net/bin:/env/bin:/usr/bin"),
        ("$(x) $1 $", "$(x) $1 $"),
        ("$FIRST/more", "one/more"),
        ("http://~ada", "http://~ada"),
    ],
)
def test_home_and_variables_are_those_of_the_training(text: str, becomes: str) -> None:
    assert started({}, env={"FIRST": "one", "X": text}).env["X"] == becomes


def test_a_bool_is_spelled_as_the_program_reads_it() -> None:
    parameters = {
        "amp": {"type": "bool", "template": ["amp={value}"], "true_false": ["True", "False"]},
        "tf32": {"type": "bool", "env_var": "TF32", "true_false": ["1", "0"]},
        "plain": {"type": "bool", "position": 1},
    }
    invoked = started({"amp": True, "tf32": False, "plain": True}, supported_hyperparams=parameters)
    assert invoked.argv[2:] == ("amp=True", "true")
    assert invoked.env["TF32"] == "0"


def test_a_variable_that_is_not_set_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"^net: env X needs \$SCRATH, which is not set; "):
        started({}, env={"X": "$SCRATH/x"})
    known = registry.parse(entry(env={"X": "~/x"}), "x").repositories["net"]
    with pytest.raises(SettingsError, match=r"env X needs \$HOME, which is not set"):
        registry.invocations(known, "a.b[1]", {}, context({}))


def test_globs_patterns_and_files_are_filled_in() -> None:
    known = resolved(
        {"epochs": 30, "rate": 0.1, "tag": "x*"},
        outputs={"keep": ["{model}/{run_id}/*"], "delete": ["tmp_{tag}_{rate}"]},
        preflight={"files": ["{data}/train", "cfg/{model}.yaml"]},
        progress="Epoch {number}/{epochs}",
        work={"pattern": "{model}: {number} of {epochs}", "unit": "epochs"},
        performance_metrics={
            "log_patterns": {
                "acc": "rate {rate} acc {number}",
                "f1": {"pattern": "f1 {number}", "file": "{run_id}.json"},
            }
        },
    )
    assert known.keep == ("a.b[[]1]/E/*",)
    assert known.delete == ("tmp_x[*]_0.1",)
    assert known.needed_files == ("/lab/sets/train", "cfg/a.b[1].yaml")
    assert progress_of(known.progress or "", "Epoch 3/20\nEpoch 3/30\n") == (3.0, 30.0)
    assert known.work is not None
    assert progress_of(known.work.pattern, "axb[1]: 1 of 30\na.b[1]: 2 of 30\n") == (2.0, 30.0)
    printed, filed = known.metrics
    text = "rate 0x1 acc 0.5\nrate 0.1 acc 0.7\nrate 0.2 acc 0.9\n"
    assert read_metrics([printed], [text]).values == {"acc": 0.7}
    assert filed.file == "E.json"


def test_what_is_filled_in_cannot_lead_out_of_the_folder() -> None:
    with pytest.raises(SettingsError, match=r"outputs.keep would be \.\./x/\*, which leads out"):
        resolved({"tag": "../x"}, outputs={"keep": ["{tag}/*"]})


@pytest.mark.parametrize("where", ["progress", "outputs", "required_args", "env"])
def test_a_placeholder_without_a_value_is_one_line(where: str) -> None:
    texts = {
        "progress": "{number}/{rate}",
        "outputs": {"keep": ["{rate}"]},
        "required_args": {"x": "{rate}"},
        "env": {"X": "{rate}"},
    }
    with pytest.raises(SettingsError, match=r"needs \{rate\}, which has no value"):
        started({}, **{where: texts[where]})


CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"required_args": {"x": "-o {wrkdir}"}}, "required_args.x", "write {workdir}; literal braces"),
    ({"required_args": {"x": ["{ model }"]}}, "required_args.x[0]", "write {model}"),
    ({"required_args": {"x": "{params}"}}, "required_args.x", "in commands alone"),
    ({"env": {"X": "{wrkdir}/x"}}, "env.X", "write {workdir}"),
    ({"role_env": {"background": {"X": "{epoch}"}}}, "background.X", "write {epochs}"),
    ({"per_model": {"a.b[1]": {"env": {"X": "{rol}"}}}}, "env.X", "write {role}"),
    ({"per_model": {"a.b[1]": {"args": ["{zzz}"]}}}, "args[0]", 'unknown placeholder "{zzz}"'),
    ({"outputs": {"keep": ["{modl}/*"]}}, "keep[0]", "write {model}"),
    ({"outputs": {"delete": ["{workdir}/*"]}}, "delete[0]", "relative to the folder"),
    ({"preflight": {"files": ["{run_id}"]}}, "files[0]", "not known before a run"),
    ({"preflight": {"files": ["{dta}/x"]}}, "files[0]", "write {data}"),
    ({"data": None, "preflight": {"files": ["x/{data}"]}}, "files[0]", 'add "data"'),
    ({"data": None, "env": {"X": "{data}"}}, "env.X", 'add "data"'),
    ({"progress": "{number}/{epoch}"}, "progress", "write {epochs}; a literal brace is \\{"),
    (
        {"performance_metrics": {"log_patterns": {"a": "{nmber} {number}"}}},
        "log_patterns.a",
        "unknown placeholder",
    ),
    (
        {"performance_metrics": {"log_patterns": {"a": {"pattern": "{number}", "file": "{x}"}}}},
        "log_patterns.a.file",
        "unknown placeholder",
    ),
    ({"cwd": "{model}"}, "cwd", "not filled in here"),
    ({"workspace": {"kind": "links", "writes": ["{run_id}"]}}, "writes[0]", "not filled in here"),
    (
        {"supported_hyperparams": {"x": {"type": "int", "template": ["{value}{model}"]}}},
        "x.template[0]",
        "only {value}",
    ),
    (
        {
            "supported_hyperparams": {"x": {"type": "int", "unsupported": "fixed"}},
            "env": {"X": "{x}"},
        },
        "env.X",
        "is unsupported",
    ),
]


@pytest.mark.parametrize(("fields", "place", "message"), CASES)
def test_a_wrong_placeholder_is_found_where_it_stands(
    fields: dict[str, Any], place: str, message: str
) -> None:
    (problem,) = registry.problems(entry(**fields))
    assert problem.where.endswith(place)
    assert message in f"{problem.message}; {problem.suggestion}"


def test_a_value_that_a_step_hands_on_reaches_commands_alone() -> None:
    steps = [{"name": "a", "command": ["{model}"], "values": {"weights": "*.pth"}}]
    fields = {"steps": steps, "train_script": None, "supported_hyperparams": {}}
    (problem,) = registry.problems(entry(**fields, env={"X": "{weights}"}))
    assert "in commands alone" in problem.message


def test_literal_texts_are_fine() -> None:
    assert (
        registry.problems(
            entry(
                required_args={"x": "--json '{\"a\": [1, {}]}' {{wrkdir}}"},
                env={"X": "{{wrkdir}} {1}"},
                progress=r"\{epoch\} x{2} {number}",
            )
        )
        == ()
    )


def test_a_glob_for_whatever_a_placeholder_is() -> None:
    assert with_wildcards("{model}/run_{run_id}/*.pth") == "*/run_*/*.pth"
