"""Templates and a run → the entries and the script, read back by supervisord's parser and bash."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from energyctl.background import entries, templates
from energyctl.background.entries import RenderedRun
from energyctl.background.protocol import LAUNCHER, STOP_WAIT_SECONDS
from energyctl.config import registry
from energyctl.config.plan import BackgroundJob, Training
from energyctl.config.registry import Invocation
from energyctl.errors import SettingsError
from energyctl.system.workspace import packaged
from supervised import World, files_of, job, make_run, supervised

TEMPLATES = (packaged() / "templates/background.conf.j2", packaged() / "templates/background.sh.j2")
EXPERIMENT = "20300102_030405_front_small_parallel"

REGISTRY: dict[str, Any] = {
    "models": {
        "resnet": {
            "path": "repos/resnet",
            "train_script": "./train.sh",
            "models": ["resnet20", "resnet56"],
            "model_flag": "-n",
            "required_args": {"dataset": "--data cifar10"},
            "supported_hyperparams": {
                "epochs": {"flag": "-e", "type": "int", "default": 164},
                "learning_rate": {"flag": "--lr", "type": "float", "default": 0.1},
                "weight_decay": {"flag": "--wd=", "type": "float", "default": 0.0001},
                "dropout": {"flag": "-d", "type": "float"},
                "note": {"flag": "--note", "type": "str", "default": "a b"},
                "nesterov": {"flag": "--nesterov", "type": "bool", "default": True},
                "warmup": {"flag": "--warmup", "type": "bool", "default": False},
            },
        }
    }
}


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    (folder / "conf.d").mkdir(parents=True)
    return folder


def render(runtime: Path, *background: BackgroundJob, **invoked: Any) -> RenderedRun:
    made = {"argv": ("./train.sh", "--lr", "0.1"), "cwd": "/repos/back", "env": {}, **invoked}
    return entries.render(
        make_run(*background),
        files_of(runtime.parent / "results", EXPERIMENT),
        runtime,
        TEMPLATES,
        lambda *_: (Invocation(**made),),
        keep_logs="5,20,50",
    )


def parsed_by_supervisord(runtime: Path, entries: str) -> list[Any]:
    """The groups that supervisord itself reads from our configuration and these entries."""
    values = {"runtime": str(runtime)}
    configuration = runtime.parent / "supervisord.conf"
    template = packaged() / "supervisord.conf.j2"
    configuration.write_text(templates.render_template(template, values, script=False))
    (runtime / "conf.d" / "run.conf").write_text(entries)
    options = ServerOptions()
    try:
        options.realize(["-n", "-c", str(configuration)])
        groups: list[Any] = options.process_group_configs
    finally:
        options.poller.close()
    return groups


def test_build_training_args(runtime: Path, tmp_path: Path) -> None:
    values = {
        "epochs": 60,
        "learning_rate": 5.12e-06,
        "weight_decay": 0.1 + 0.2,
        "dropout": None,
        "note": "it's 5 %; $(really)",
        "nesterov": True,
        "warmup": False,
    }
    repository = registry.parse(REGISTRY, "registry.json").repositories["resnet"]
    where = registry.InvocationContext(tmp_path, registry.Interpreter(sys.executable), "background")
    (made,) = entries.make_jobs(
        make_run(BackgroundJob(Training("resnet", "resnet56", values))),
        files_of(tmp_path, EXPERIMENT),
        runtime,
        lambda training, *_: registry.invocations(
            repository, training.model, training.hyperparameters, where
        ),
    )
    assert Path(made.arguments[0]) == tmp_path / "repos/resnet/train.sh"
    assert made.arguments[1:] == (
        *("-n", "resnet56", "--data", "cifar10", "-e", "60", "--lr", "5.12e-06"),
        *("--wd=0.30000000000000004", "--note", "it's 5 %; $(really)", "--nesterov"),
    )
    assert float(made.arguments[8]) == values["learning_rate"]
    assert Path(made.directory) == tmp_path / "repos/resnet"


def test_background_script_generation(runtime: Path) -> None:
    rendered = render(
        runtime,
        job("large", copies=2, stagger_seconds=1.5),
        job("small", restart_delay_seconds=0.25),
        argv=("./train.sh", "--lr", "5.12e-06", "--note", "it's $(here)"),
        env={"MODE": "a b"},
    )
    (group,) = parsed_by_supervisord(runtime, rendered.entries)
    assert group.name == rendered.group == f"energyctl-{EXPERIMENT}"
    names = ["back_large_1", "back_large_2", "back_small"]
    assert [process.name for process in group.process_configs] == names
    for process in group.process_configs:
        command = shlex.split(process.command)
        end = ["--", "/bin/bash", str(runtime / "background.sh"), process.name]
        assert command[-len(end) :] == end
        start = [sys.executable, "-I", "-S", str(LAUNCHER)]
        assert command[: len(start)] == start
        options = command[len(start) : -len(end)]
        assert dict(zip(options[::2], options[1::2], strict=True)) == {
            "--job": process.name,
            "--logs": f"{runtime}/logs/{process.name}",
            "--ledger": f"{runtime}/logs/iterations.csv",
            "--tail": process.stdout_logfile,
            "--environment": str(runtime / "environment"),
            "--clock": str(runtime / "clock"),
            "--keep-logs": "5,20,50",
            "--first-delay": "1.5" if process.name == "back_large_2" else "0.0",
            "--restart-delay": "0.25" if process.name == "back_small" else "0.0",
        }
        assert process.stdout_logfile == str(runtime / f"{process.name}.out")
        assert (process.autostart, process.startsecs, process.redirect_stderr) == (False, 0, True)
        assert (process.stopasgroup, process.killasgroup) == (True, True)
        assert process.stopwaitsecs == STOP_WAIT_SECONDS

    script = runtime / "background.sh"
    script.write_text(rendered.script)
    subprocess.run(["bash", "-n", script], check=True)
    assert rendered.script.count("    export 'MODE=a b'\n") == 3
    assert "ENERGYCTL_RUN" not in rendered.script  # it is kept, and the marker is a secret
    assert rendered.script.count("        'it'\"'\"'s $(here)'\n") == 3


def test_the_script_says_what_it_knows_where_it_is_given_no_job(runtime: Path) -> None:
    script = runtime / "background.sh"
    script.write_text(render(runtime, job("large"), job("small")).script)
    done = subprocess.run(
        ["bash", script, "other"], capture_output=True, text=True, check=False, timeout=10
    )
    assert done.returncode == 2
    assert "back_large|back_small" in done.stderr


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["a"], ["back_a"]),
        (["a", "a"], ["back_a_1", "back_a_2"]),
        (["a", "b", "a"], ["back_a_1", "back_b", "back_a_2"]),
        (["a", "a", "a_1"], ["back_a_2", "back_a_3", "back_a_1"]),
        (["a b", "a;b"], ["back_a_b_1", "back_a_b_2"]),
        (["ü%(here)s]"], ["back____here_s_"]),
    ],
)
def test_every_job_has_a_name_of_its_own(models: list[str], names: list[str]) -> None:
    assert entries.job_names(make_run(*(job(model) for model in models))) == names


def test_no_name_of_the_user_stands_in_the_entries(runtime: Path) -> None:
    hostile = "x]\n[program:evil]\ncommand=touch /tmp/evil ; %(here)s"
    run = BackgroundJob(Training(hostile, hostile, {}))
    entries = render(runtime, run, argv=(hostile,), cwd=hostile, env={"A": hostile}).entries
    (group,) = parsed_by_supervisord(runtime, entries)
    assert len(group.process_configs) == 1
    assert "command=touch" not in entries


@pytest.mark.parametrize("value", ["a b", "a;b", "50%", "#1", "it's", 'say "x"', "%(here)s", "é ü"])
def test_a_quoted_value_reaches_supervisord_as_it_was(runtime: Path, value: str) -> None:
    import shlex

    template = runtime / "entry.j2"
    template.write_text("[program:p]\ncommand=/bin/echo {{ value | entry }}\n")
    entries = templates.render_template(template, {"value": value}, script=False)
    (group,) = parsed_by_supervisord(runtime, entries)
    (process,) = group.process_configs
    assert shlex.split(process.command) == ["/bin/echo", value]


def template_error(path: Path, text: str, *, script: bool, **values: Any) -> str:
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        templates.render_template(path, values, script=script)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("one\ntwo {{ nmae }}\n", 2, "'nmae' is undefined"),
        ("one\n\n{{ 'a' ~ nmae }}\n", 3, "'nmae' is undefined"),
        ("{% if nmae %}x{% endif %}\n", 1, "'nmae' is undefined"),
        ("one\n{% for job in jbos %}\n{% endfor %}\n", 2, "'jbos' is undefined"),
        ("one\n{{ known.nmae }}\n", 2, "no attribute 'nmae'"),
        ("one\ntwo\n{{ known }\n", 3, "unexpected '}'"),
        ("one\n{% if known %}\n", 2, "endif"),
        ("one\n{{ known | entyr }}\n", 2, "entyr"),
        ("one\n{{ 1 / 0 }}\n", 2, "ZeroDivisionError"),
    ],
)
def test_a_typo_in_a_template_is_one_line_with_file_and_line(
    tmp_path: Path, text: str, line: int, said: str, script: bool
) -> None:
    message = template_error(tmp_path / "mine.j2", text, script=script, known="x")
    assert f", line {line}:" in message
    assert said in message


@pytest.mark.parametrize("value", ["a\n[program:evil]", "a\rb", "a\0b"])
def test_a_line_break_in_an_entry_is_refused(tmp_path: Path, value: str) -> None:
    message = template_error(tmp_path / "m.j2", "x\n{{ v | entry }}", script=False, v=value)
    assert "line break" in message
    assert "line 2" in message


def test_an_entry_refuses_what_its_template_forgot_to_quote(tmp_path: Path) -> None:
    message = template_error(tmp_path / "m.j2", "command={{ v }}", script=False, v="a ;b")
    assert "| entry" in message


def test_a_list_printed_bare_in_a_script_is_an_error(tmp_path: Path) -> None:
    message = template_error(tmp_path / "m.j2", "\n{{ v }}", script=True, v=["a", "b"])
    assert "line 2" in message


def test_a_value_that_an_edited_script_prints_bare_is_quoted_all_the_same(tmp_path: Path) -> None:
    template = tmp_path / "mine.sh.j2"
    template.write_text("printf '%s' {{ value }}{{ value ~ '!' }}\n")
    value = 'a\'b $(touch evil) `id`\n"c" ; #d %e'
    text = templates.render_template(template, {"value": value}, script=True)
    done = subprocess.run(["bash", "-c", text], capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout.decode() == value + value + "!"
    assert not (tmp_path / "evil").exists()


def test_an_argument_with_a_nul_is_refused(runtime: Path) -> None:
    with pytest.raises(SettingsError, match="NUL"):
        render(runtime, job("large"), argv=("train", "a\0b"))


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.j2: no such template"):
        templates.render_template(tmp_path / "gone.j2", {}, script=True)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    with supervised(tmp_path / "world") as made:
        yield made


def test_a_broken_edited_entry_is_refused_with_supervisords_words(world: World) -> None:
    from energyctl.errors import RunError

    world.commands["large"] = ("sleep", "100")
    background = world.background("e1", job("large"))
    text = background.files.entries.read_text()
    background.files.entries.write_text(text.replace("stopsignal=TERM", "stopsignal=NOSUCH"))
    with pytest.raises(RunError, match="NOSUCH"):
        background.start()
    background.stop()
    assert background.daemon.programs() == []
