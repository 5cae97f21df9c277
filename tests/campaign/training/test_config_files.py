"""Values that are written into files of a run: the clone's own text, and nothing in the clone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.campaign.training import config_files, workdirs
from energyctl.config.registry import Repository, Step
from energyctl.errors import RunError

YAML = """\
# how it trains
optimizer:
  lr: 0.1  # of all layers
  name: 'sgd'
stages:
- {width: 8}
- {width: 16}
seed: &seed 1
amp: true
"""
TOML = """\
# how it trains
[optimizer]
lr = 0.1 # of all layers
amp = false
"""
PYTHON = '''\
"""How it trains: é."""
lr = 0.1  # of all layers
NAME: str = "é"; other = (
    1 + 2
)
lr_of = {"first": {"lr": 1}}
class Config:
    lr = 2
def train(lr=3):
    lr = 4
if __name__ == "__main__":
    steps = 5
    run(Adam(lr, decay=6), decay=7)
'''
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "x.yaml",
        YAML,
        {"optimizer.lr": 1e-05, "optimizer.name": "no", "stages.1.width": 32, "amp": False},
        YAML.replace("0.1  #", "1.0e-05 #").replace("'sgd'", '"no"').replace("16", "32")
        .replace("true", "false"),
    ),
    ("x.toml", TOML, {"optimizer.lr": 1e-05, "optimizer.amp": True},
     TOML.replace("0.1 ", "1e-05 ").replace("false", "true")),
    ("x.json", '{"a": [{"b": 1, "c": "é"}]}', {"a.0.b": True},
     '{\n  "a": [\n    {\n      "b": true,\n      "c": "é"\n    }\n  ]\n}\n'),
    (
        "x.py",
        PYTHON,
        {
            "lr": 1e-05, "NAME": "it's", "other": True, "lr_of.first.lr": 10, "Config.lr": 20,
            "steps": 50, "Adam.decay": 60, "run.decay": 70,
        },
        PYTHON.replace("lr = 0.1", "lr = 1e-05").replace('= "é"', '= "it\'s"')
        .replace("1 + 2", "True").replace('"lr": 1', '"lr": 10').replace("lr = 2", "lr = 20")
        .replace("steps = 5", "steps = 50").replace("decay=6", "decay=60")
        .replace("decay=7", "decay=70"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "values", "becomes"), CASES)
def test_values_are_written_and_all_else_stays(
    tmp_path: Path, name: str, text: str, values: dict[str, Any], becomes: str
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    made = config_files.edited(file, values)
    assert made.splitlines() == becomes.splitlines()
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "text", "key", "message"),
    [
        ("x.yaml", YAML, "optimizer.rate", "no key 'rate': there are lr, name"),
        ("x.yaml", YAML, "optimiser.lr", "no key 'optimiser': there are optimizer, stages"),
        ("x.yaml", YAML, "stages.2.width", "no key '2'"),
        ("x.yaml", YAML, "optimizer", "holds more than one value"),
        ("x.yaml", YAML, "seed.x", "no key 'x'"),
        ("x.yaml", "a: [", "a", "cannot be read"),
        ("x.yaml", "a: 1\n---\na: 2\n", "a", "cannot be read"),
        ("x.yaml", "", "a", "no key 'a'"),
        ("x.toml", "a = ", "a", "cannot be read"),
        ("x.json", "{'a': 1}", "a", "cannot be read"),
        ("x.py", PYTHON, "rate", "rate is not assigned in it"),
        ("x.py", PYTHON, "train.lr", "is not assigned in it"),
        ("x.py", "a = 1\na = 2\n", "a", "has 2 places for a"),
        ("x.py", "a =", "a", "cannot be read"),
        ("gone.py", None, "a", "No such file"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    tmp_path: Path, name: str, text: str | None, key: str, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(config_files.ConfigFileError) as caught:
        config_files.edited(tmp_path / name, {key: 1})
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_library_that_is_missing_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.yaml").write_text(YAML)
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    with pytest.raises(
        config_files.ConfigFileError, match=r"writing values into it needs ruamel.yaml: .*configs"
    ):
        config_files.edited(tmp_path / "x.yaml", {"amp": True})


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose configuration is found beside a script, and in a folder behind a link."""
    folder = tmp_path / "repos" / "net"
    (folder / "src" / "conf").mkdir(parents=True)
    (folder / "src" / "train.py").write_text("import settings")
    (folder / "src" / "settings.py").write_text("lr = 1")
    (folder / "src" / "conf" / "x.json").write_text('{"lr": 1}')
    (folder / "src" / "data.bin").write_text("data")
    (tmp_path / "repos" / "outside").mkdir()
    (tmp_path / "repos" / "outside" / "x.json").write_text('{"lr": 1}')
    (folder / "out").symlink_to("../outside")
    return folder


FILES = {"src/settings.py": {"lr": 2}, "src/conf/x.json": {"lr": 2}, "out/x.json": {"lr": 2}}


@pytest.mark.parametrize("kind", ["links", "copy", "empty"])
def test_files_are_written_into_the_folder_of_the_run_alone(clone: Path, kind: Any) -> None:
    before = {path: path.read_text() for path in clone.parent.rglob("*") if path.is_file()}
    step = Step("train", command=("{python}", "src/train.py"))
    repository = Repository("net", "repos/net", ("m",), (step,), workspace=kind)
    folder = clone.parent.parent / "results" / "work_E" / "fg"
    assert workdirs.make(repository, clone, folder, FILES) == folder
    assert (folder / "src" / "settings.py").read_text() == "lr = 2"
    for place in ("src/conf/x.json", "out/x.json"):
        assert json.loads((folder / place).read_text()) == {"lr": 2}
        assert (folder / place).resolve().is_relative_to(folder)
    after = {path: path.read_text() for path in clone.parent.rglob("*") if path.is_file()}
    assert after == before
    if kind == "links":
        assert (folder / "src" / "data.bin").is_symlink()
        assert not (folder / "src" / "train.py").is_symlink()


def test_a_file_of_a_shared_folder_is_never_written(clone: Path) -> None:
    repository = Repository("net", "repos/net", ("m",), (), workspace="links")
    folder = clone.parent.parent / "results" / "work_E" / "fg"
    with pytest.raises(RunError, match="cannot make its working folder"):
        workdirs.make(repository, clone, folder, {"../outside/x.json": {"lr": 2}})
    assert (clone.parent / "outside" / "x.json").read_text() == '{"lr": 1}'


PROGRAM = """
import json, time
import settings
for line in open("conf/train.yaml"):
    if "lr" in line:
        print("yaml", line.strip())
print("python", settings.WIDTH, settings.AMP)
time.sleep(settings.SECONDS)
print("loss: 0.5", flush=True)
"""


def test_both_roles_of_one_clone_read_their_own_values(bench: Bench) -> None:
    parameters = {
        "lr": {"type": "float", "config": {"file": "conf/train.yaml", "key": "optimizer.lr"}},
        "width": {"type": "int", "config": {"file": "settings.py", "key": "WIDTH"}},
        "amp": {"type": "bool", "config": {"file": "settings.py", "key": "AMP"}},
        "seconds": {"type": "float", "config": {"file": "settings.py", "key": "SECONDS"}},
    }
    entry = {
        "path": "repos/front",
        "models": ["net"],
        "train_script": "program.py",
        "interpreter": sys.executable,
        "workspace": "links",
        "supported_hyperparams": parameters,
        "performance_metrics": {"log_patterns": {"loss": "loss: {number}"}},
    }
    registry = bench.root / "settings" / "models_config.json"
    registry.write_text(json.dumps({"models": {"front": entry}}))
    folder = bench.root / "repos" / "front"
    (folder / "conf").mkdir()
    (folder / "conf" / "train.yaml").write_text(YAML)
    (folder / "settings.py").write_text("WIDTH = 8\nAMP = False\nSECONDS = 0.2\n")
    (folder / "program.py").write_text(PROGRAM)
    training = {"repo": "front", "model": "net"}
    foreground = {**training, "hyperparameters": {"lr": 1e-5, "seconds": 1.0, "amp": True}}
    background = {**training, "hyperparameters": {"width": 16}}
    experiment = {"mode": "parallel", "foreground": foreground, "background": background}
    done = bench.run("run", bench.settings(experiments=[experiment]))
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = bench.results()
    log = (bench.root / "results" / result["foreground_result"]["log"]).read_text()
    assert "yaml lr: 1.0e-05 # of all layers\npython 8 True\n" in log
    (job,) = result["background_info"]["jobs"]
    said = (bench.root / "results" / job["logs"] / "run_1.log").read_text()
    assert "yaml lr: 0.1  # of all layers\npython 16 False\n" in said
    assert (folder / "conf" / "train.yaml").read_text() == YAML
    assert not [text for text in result["warnings"] if "clone changed during the run" in text]
    foreground["hyperparameters"]["lr"] = 0.2
    (folder / "conf" / "train.yaml").write_text("optimiser:\n  lr: 1\n")
    refused = bench.look("run", bench.settings(experiments=[experiment]))
    assert refused.returncode == 2
    assert "front: " in refused.stderr
    assert "train.yaml: has no optimizer.lr: no key 'optimizer'" in refused.stderr
    assert len(bench.results()) == 1
