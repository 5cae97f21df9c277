"""Bundles of a real campaign: opened by other tools, tampered with, and run again."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import subprocess
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, bench_in
from energyctl.integrations.bundle.check import check
from energyctl.integrations.bundle.write import secret_names

PARTS = {
    "README.md", "CITATION.cff", "bundle.json", "lock.json", "manifest-sha256.txt", "methods.md",
    "ro-crate-metadata.json", "spdx.json", "settings/x.json", "settings/models_config.json",
}  # fmt: skip
MANIFEST = "manifest-sha256.txt"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A workspace in which a training ran alone and beside another one."""
    with bench_in(tmp_path_factory.mktemp("lab")) as bench:
        experiment = {
            "repo": "front", "model": "small", "mode": "default",
            "hyperparameters": {"seconds": 0.3},
            "conditions": {"alone": None, "loaded": {"repo": "back", "model": "large"}},
        }  # fmt: skip
        tell = ["touch", "told", "https://chat.example.org/hooks/KEY"]
        bench.settings(experiments=[experiment], seed=3, notify=tell)
        ran = bench.run("run", "x.json")
        assert ran.returncode == 0, ran.stderr
        yield bench


@pytest.fixture(scope="module")
def archive(lab: Bench) -> Path:
    said = lab.look(
        "bundle", "--out", "a.zip", "--author", "Doe, Jane", "--license", "CC-BY-4.0"
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "background logs: " in said.stderr
    return lab.root / "a.zip"


def content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path: Path, files: dict[str, bytes], *, true_sums: bool = False) -> Path:
    """true_sums: with checksums that fit, as of one who knows what they do."""
    if true_sums:
        sums = {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != MANIFEST}
        files = {**files, MANIFEST: "".join(f"{s}  {n}\n" for n, s in sums.items()).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return path


def head_in(folder: Path) -> dict[str, Any]:
    """Of the one journal there."""
    (journal,) = folder.glob("*.jsonl")
    head: dict[str, Any] = json.loads(journal.read_text().partition("\n")[0])
    return head


def result_names(files: dict[str, bytes]) -> list[str]:
    return sorted(n for n in files if n.startswith("results/2") and n.endswith(".json"))


def documents(archive: Path) -> dict[str, dict[str, Any]]:
    """condition → result."""
    files = content(archive)
    results = [json.loads(files[name]) for name in result_names(files)]
    return {one["condition"]: one for one in results}


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its charts take longer than all else, and are drawn for the first archives."""
    monkeypatch.setattr("energyctl.integrations.bundle.write._page", lambda *given: None)


def test_all_parts_are_in_it_and_other_tools_find_it_whole(
    lab: Bench, archive: Path, tmp_path: Path
) -> None:
    files = content(archive)
    assert files.keys() >= PARTS
    assert files["report.html"].startswith(b"<!doctype html>")
    assert len(result_names(files)) == 2
    assert any(name.endswith("/iterations.csv") for name in files)
    assert not any(name.endswith("/run_1.log") for name in files)
    shutil.unpack_archive(archive, tmp_path)
    summed = subprocess.run(
        ["sha256sum", "--check", "--strict", MANIFEST], cwd=tmp_path, capture_output=True, text=True
    )
    assert summed.returncode == 0, summed.stdout
    assert summed.stdout.count(": OK") == len(files) - 1
    checked = lab.look("bundle", "--check", str(archive))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "2 runs: no fault" in checked.stdout
    head = head_in(lab.root / "results/campaigns")
    settings = json.loads(head["settings"])
    assert "KEY" in str(settings.pop("notify"))
    assert json.loads(files["settings/x.json"]) == settings
    assert not [name for name, text in files.items() if b"hooks/KEY" in text]
    assert b"notify of the settings" in files["README.md"]
    assert json.loads(files["settings/models_config.json"]) == head["registry"]
    assert documents(archive)["loaded"]["environment"]["commits"] == {"back": None, "front": None}


def test_the_same_inputs_make_the_same_bytes_and_nothing_is_replaced_unasked(
    lab: Bench, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = content(archive)["report.html"].decode()  # drawn once: it takes longer than all else
    monkeypatch.setattr("energyctl.integrations.bundle.write._page", lambda *given: page)
    again = ("bundle", "--author", "Doe, Jane", "--license", "CC-BY-4.0", "--out", "b.zip")
    assert lab.look(*again).returncode == 0
    assert (lab.root / "b.zip").read_bytes() == archive.read_bytes()
    refused = lab.look(*again)
    assert refused.returncode == 2
    assert "--force replaces it" in refused.stderr


def change_a_byte(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith("cpu_power.csv"))
    files[name] = files[name].replace(b"1", b"2", 1)


def remove_a_file(files: dict[str, bytes]) -> None:
    del files[next(name for name in files if name.endswith("cpu_power.csv"))]


def add_a_file(files: dict[str, bytes]) -> None:
    files["results/more.csv"] = b"a\n"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (change_a_byte, "was changed: its checksum is another"),
        (remove_a_file, "cpu_power.csv: is missing"),
        (add_a_file, "results/more.csv: was added"),
    ],
)
def test_what_was_tampered_with_is_named(
    lab: Bench,
    archive: Path,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
    fault: str,
) -> None:
    files = content(archive)
    change(files)
    checked = lab.look("bundle", "--check", str(write(tmp_path / "t.zip", files)))
    assert checked.returncode == 1
    assert any(fault in line for line in checked.stdout.splitlines() if line.startswith("fault: "))


def test_figures_that_do_not_fit_each_other_are_named_though_the_checksums_fit(
    lab: Bench, archive: Path, tmp_path: Path
) -> None:
    files = content(archive)
    (alone,) = (n for n in result_names(files) if json.loads(files[n])["condition"] == "alone")
    result = json.loads(files[alone])
    result["energy"]["total_joules"] *= 1.5
    files[alone] = json.dumps(result).encode()
    del files["settings/x.json"]
    checked = lab.look("bundle", "--check", str(write(tmp_path / "t.zip", files, true_sums=True)))
    faults = [line for line in checked.stdout.splitlines() if line.startswith("fault: ")]
    assert checked.returncode == 1
    name = result["experiment_id"]
    assert f"fault: boamps/{name}.json: its measures are not those of the result" in faults
    assert f"fault: spdx.json: the energy of {name} is not that of the result" in faults
    assert any(line.startswith("fault: methods.md: its table lacks") for line in faults)
    assert any("names settings/x.json, which is not there" in line for line in faults)
    assert any("not the settings of the journal" in line for line in faults)
    again = lab.look("bundle", "--reproduce", str(tmp_path / "t.zip"), "--yes")
    assert again.returncode == 2
    assert "nothing was run; energyctl bundle --check names them" in again.stderr


def test_a_result_that_is_none_is_named(lab: Bench, archive: Path, tmp_path: Path) -> None:
    files = content(archive)
    first, second = result_names(files)
    files[first] = b'{"schema": 1, "experiment_id": "E", "energy": 7}'
    files[second] = b"[" * 100_000
    checked = lab.look("bundle", "--check", str(write(tmp_path / "t.zip", files, true_sums=True)))
    assert checked.returncode == 1
    assert f"fault: {first}: energy is 7, not an object" in checked.stdout
    assert f"fault: {second}: not JSON: nested too deeply" in checked.stdout
    assert "no result of its campaign is in it" in checked.stdout


def symlink(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE: dict[str, tuple[list[Any], str]] = {
    "above": (["../outside"], "leads out of the archive"),
    "absolute": (["/tmp/outside"], "leads out of the archive"),
    "windows": (["..\\outside"], "leads out of the archive"),
    "control": (["results/\x1b[2J.json"], "leads out of the archive, or is no name"),
    "folder": (["results/"], "leads out of the archive, or is no name"),
    "twice": (["results/a.json", "results/a.json"], "is in it twice"),
    "link": ([symlink("results/a.json")], "is a link"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_written(
    lab: Bench, archive: Path, tmp_path: Path, kind: str
) -> None:
    names, fault = HOSTILE[kind]
    place = tmp_path / "in" / "t.zip"
    place.parent.mkdir()
    shutil.copy(archive, place)
    with warnings.catch_warnings(), zipfile.ZipFile(place, "a") as file:
        warnings.simplefilter("ignore")  # of a name that is in it twice
        for name in names:
            file.writestr(name, "/etc/passwd")
    for option in ("--check", "--reproduce"):
        said = lab.look("bundle", option, str(place))
        assert said.returncode == {"--check": 1, "--reproduce": 2}[option]
        assert "\x1b" not in said.stdout + said.stderr
    assert fault in lab.look("bundle", "--check", str(place)).stdout
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["t.zip"]


def test_faults_without_end_are_counted_to_a_limit(archive: Path, tmp_path: Path) -> None:
    files = content(archive)
    lines = check(write(tmp_path / "a.zip", {**files, MANIFEST: b"\n" * 1_000_000})).faults
    assert any(f"{MANIFEST}: longer than a line for each file" in line for line in lines)
    more = {f"results/more/{number}": b"" for number in range(5000)}
    assert len(check(write(tmp_path / "b.zip", {**files, **more})).faults) < 2000


def test_a_bomb_is_refused_before_it_is_unpacked(lab: Bench, tmp_path: Path) -> None:
    block = bytes(2**24)  # 16 kB when packed
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", block)
        first = file.infolist()[0]
        for number in range(1000):  # all of them the same bytes of the file
            other = zipfile.ZipInfo(f"b{number}")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(other, name, getattr(first, name))
            file.filelist.append(other)
    said = lab.look("bundle", "--check", str(tmp_path / "bomb.zip"))
    assert said.returncode == 1
    assert "files lie over each other" in said.stdout
    assert "would unpack to 17 GB" in said.stdout
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04 no zip file")
    said = lab.look("bundle", "--check", str(tmp_path / "none.zip"))
    assert said.returncode == 2
    assert "no zip file" in said.stderr


def test_the_crate_names_each_file_and_says_what_each_run_was(archive: Path) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    files = content(archive)
    crate = rocrate.ROCrate(json.loads(files["ro-crate-metadata.json"]))
    assert {one.id for one in crate.data_entities} == files.keys() - {"ro-crate-metadata.json"}
    for one in crate.data_entities:
        assert int(one["contentSize"]) == len(files[one.id])
    for result in documents(archive).values():
        action = crate.get(f"#run-{result['experiment_id']}")
        assert action.type == "CreateAction"
        assert [tool["name"] for tool in action["instrument"]] == ["front", "energyctl"]
        values = {one["name"]: one["value"] for one in action["object"] if "value" in one}
        assert (values["seconds"], values["condition"]) == ("0.3", result["condition"])
        made = {one.id for one in action["result"]}
        assert f"results/{result['experiment_id']}.json" in made
        assert f"results/{result['foreground_result']['log']}" in made
        assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"


def test_the_validator_of_the_profile_finds_nothing_that_is_required(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the network: the context of RO-Crate is the one that comes with the library."""
    pytest.importorskip("rocrate_validator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import rocrate
        from rocrate_validator import models, services
        from rocrate_validator.utils import document_loader

        context = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text())
        monkeypatch.setattr(document_loader, "_fetch_json_ld", lambda source: context)
        shutil.unpack_archive(archive, tmp_path)
        settings = services.ValidationSettings(
            rocrate_uri=str(tmp_path),
            profile_identifier="process-run-crate-0.5",
            requirement_severity=models.Severity.REQUIRED,
        )
        found = services.validate(settings).get_issues()
    fetched = ("ro-crate-1.1_3.1", "ro-crate-1.1_3.2")  # that the context can be fetched
    assert [one.message for one in found if one.check.identifier not in fetched] == []


def test_boamps_and_spdx_tell_the_energy_of_the_run_alone_only(archive: Path) -> None:
    files, results = content(archive), documents(archive)
    alone = results["alone"]
    (name,) = (name for name in files if name.startswith("boamps/"))
    assert name == f"boamps/{alone['experiment_id']}.json"
    (measure,) = json.loads(files[name])["measures"]
    joules = alone["energy"]["total_joules"]
    assert measure["powerConsumption"] * 3.6e6 == pytest.approx(joules, rel=1e-12)
    assert measure["cpuTrackingMode"] == "estimate"
    packages = {
        one["software_packageVersion"]: one
        for one in json.loads(files["spdx.json"])["@graph"]
        if one["type"] == "ai_AIPackage"
    }
    assert packages.keys() == {one["experiment_id"] for one in results.values()}
    assert "ai_energyConsumption" not in packages[results["loaded"]["experiment_id"]]
    found = packages[alone["experiment_id"]]["ai_energyConsumption"]
    (described,) = found["ai_trainingEnergyConsumption"]
    assert described["ai_energyUnit"] == "megajoule"
    assert "e" not in described["ai_energyQuantity"].lower()
    assert float(described["ai_energyQuantity"]) * 1e6 == pytest.approx(joules, rel=1e-12)


@pytest.mark.usefixtures("no_page")
def test_names_of_secrets_in_the_registry_are_told() -> None:
    env = {"HF_TOKEN": "a", "API_KEY": "b", "TOKENIZERS_PARALLELISM": "false", "KEYS": "c"}
    registry = {"models": {"one": {"env": env, "per_model": {"m": {"env": {"DB_PASSWORD": "d"}}}}}}
    assert list(secret_names(registry)) == ["HF_TOKEN", "API_KEY", "DB_PASSWORD"]


def test_what_a_campaign_does_not_tell_is_asked_for_and_told(lab: Bench, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    said = lab.look("bundle", "--out", str(tmp_path / "c.zip"), "--with", "background-logs")
    assert "task.taskFamily, task.dataset, infrastructure.infraType" in said.stderr
    files = content(tmp_path / "c.zip")
    assert any(name.endswith("/run_1.log") for name in files)
    assert "CITATION.cff" not in files
    assert b"required by BoAmps: task.taskFamily" in files["README.md"]
    data = [{"dataUsage": "input", "dataType": "image"}]
    fields = {
        "task": {"taskFamily": "digits", "dataset": data, "taskStage": "finetuning"},
        "infrastructure": {"infraType": "onPremise"},
    }
    told.write_text(json.dumps(fields))
    said = lab.look("bundle", "--out", str(tmp_path / "d.zip"), "--boamps", str(told))
    assert "BoAmps" not in said.stderr
    files = content(tmp_path / "d.zip")
    (name,) = (name for name in files if name.startswith("boamps/"))
    report = json.loads(files[name])
    assert report["task"]["taskFamily"] == "digits"
    assert report["infrastructure"]["components"]
    assert b"ai_finetuningEnergyConsumption" in files["spdx.json"]
    assert lab.look("bundle", "--check", str(tmp_path / "d.zip")).returncode == 0
    told.write_text('{"measures": {}}')
    said = lab.look("bundle", "--out", str(tmp_path / "e.zip"), "--boamps", str(told))
    assert (said.returncode, "measures is what energyctl measured" in said.stderr) == (2, True)


@pytest.mark.usefixtures("no_page")
def test_results_of_several_campaigns_or_of_none_are_refused(lab: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    shutil.copytree(lab.root / "results", folder)
    first, second = sorted(folder.glob("*.json"))
    result = json.loads(first.read_text())
    result["environment"]["journal"] = "20300101_000000_other"
    first.write_text(json.dumps(result))
    said = lab.look("bundle", str(folder))
    assert said.returncode == 2
    assert "results of 2 campaigns: " in said.stderr
    del result["environment"]["journal"]
    first.write_text(json.dumps(result))
    assert "of no campaign of energyctl" in lab.look("bundle", str(folder)).stderr
    one = lab.look("bundle", str(second), "--out", str(tmp_path / "one.zip"))
    assert "1 planned run without a result" in one.stderr
    assert lab.look("bundle", "--check", str(tmp_path / "one.zip")).returncode == 0


def test_a_campaign_that_runs_is_refused(lab: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = {"campaign": "trial", "workspace": str(lab.root), "pid": 7}
    monkeypatch.setattr("energyctl.integrations.bundle.contents.lock_holder", lambda: holder)
    said = lab.look("bundle", "--out", "r.zip")
    assert said.returncode == 2
    assert "the campaign trial is running, pid 7: bundle it once it has ended" in said.stderr
    assert not (lab.root / "r.zip").exists()


def with_head(files: dict[str, bytes], change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the head of the journal, and what repeats it."""
    (name,) = (one for one in files if one.startswith("results/campaigns/"))
    line, _, rest = files[name].partition(b"\n")
    head = json.loads(line)
    change(head)
    files[name] = json.dumps(head).encode() + b"\n" + rest
    files["settings/x.json"] = head["settings"].encode()


def test_a_plan_runs_again_and_is_compared_once_its_commands_are_agreed_to(
    lab: Bench, archive: Path, tmp_path: Path
) -> None:
    def tell_somebody(head: dict[str, Any]) -> None:
        head["settings"] = json.dumps({**json.loads(head["settings"]), "notify": ["touch", "evil"]})

    files, before = content(archive), len(lab.trials)
    with_head(files, tell_somebody)
    hostile = write(tmp_path / "t.zip", files, true_sums=True)
    again = ("bundle", "--reproduce", str(hostile), "--results", "again")
    refused = lab.look(*again)
    assert refused.returncode == 2
    assert f"{lab.root}/repos/front/train.sh -n small --seconds 0.3" in refused.stderr
    assert f"{lab.root}/repos/back/train.sh -n large --seconds 0.3" in refused.stderr
    assert "nothing was run: agree to these commands with --yes" in refused.stderr
    assert len(lab.trials) == before
    assert not (lab.root / "again").exists()
    done = lab.run(*again, "--yes")
    assert done.returncode == 1  # estimates tell nothing
    assert done.stdout.count("cannot be told: a part of the energy is an estimate") == 2
    originals, results = lab.results(), lab.results("again")
    values = ("condition", "block", "training_seed")
    ran = [{name: one[name] for name in values} for one in results]
    assert ran == [{name: one[name] for name in values} for one in originals]
    head = head_in(lab.root / "again/campaigns")
    assert head["reproduces"] == originals[0]["environment"]["journal"]
    assert "notify" not in head["settings"]  # `resume` would run it, and nobody has agreed to that
    assert not (lab.root / "evil").exists()
    compared = lab.look(*again)
    assert "its runs are finished here" in compared.stderr
    assert compared.stdout.count("cannot be told") == 2
    assert len(lab.results("again")) == 2


def test_commands_of_later_runs_are_shown_too_but_for_numbers(
    lab: Bench, archive: Path, tmp_path: Path
) -> None:
    def add_runs(head: dict[str, Any]) -> None:
        one = head["runs"][0]
        for more in ({"seconds": 0.4}, {"behaviour": "rm -r /"}):
            values = {**one["hyperparameters"], **more}
            head["runs"].append({**one, "index": len(head["runs"]) + 1, "hyperparameters": values})

    files = content(archive)
    with_head(files, add_runs)
    longer = write(tmp_path / "t.zip", files, true_sums=True)
    said = lab.look("bundle", "--reproduce", str(longer), "--results", "none")
    assert said.returncode == 2
    assert "nothing was run" in said.stderr
    assert said.stderr.count("--seconds 0.3 --behaviour 'rm -r /'") == 1
    assert "--seconds 0.4" not in said.stderr


def test_clones_that_are_missing_or_at_another_commit_are_named(
    lab: Bench, archive: Path, tmp_path: Path
) -> None:
    files = content(archive)
    lock = json.loads(files["lock.json"])
    lock["trainings"]["front"]["commits"] = ["1" * 40]
    files["lock.json"] = json.dumps(lock).encode()
    other = write(tmp_path / "t.zip", files, true_sums=True)
    with bench_in(tmp_path / "there") as bench:
        shutil.rmtree(bench.root / "repos/back")
        said = bench.look("bundle", "--reproduce", str(other), "--yes")
    assert said.returncode == 2
    assert f"front: its clone {bench.root}/repos/front is at commit none" in said.stderr
    assert f"git -C {bench.root}/repos/front checkout {'1' * 40}" in said.stderr
    assert f"back: its clone is missing; put it at {bench.root}/repos/back" in said.stderr
