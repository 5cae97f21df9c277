"""A campaign's metrics, read as Prometheus and node_exporter read them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from watched import view

from bench import Bench, wait_for
from energyctl.campaign.observer import DomainView
from energyctl.integrations import prometheus, prometheus_endpoint
from energyctl.integrations.prometheus import Exports, PrometheusExporter
from hardware.compiled import library_folder
from hardware.nvml import environment

WATTS = 70.0

Samples = dict[str, list[tuple[dict[str, str], float]]]


def parsed(text: str) -> Samples:
    """Name of the sample → labels and value of each; every metric has its help."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def scraped(port: int) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return parsed(answer.read().decode())


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


class Heard:
    """An observer that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def view(self, view: Any) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)

    def finished(self, index: int, result: Any) -> None: ...


def exporter(folder: Path | None = None, **how: Any) -> PrometheusExporter:
    return PrometheusExporter(Heard(), Exports(folder, None), 'night "2"\n', 12, **how)


def exported(one: PrometheusExporter) -> Samples:
    return parsed(generate_latest(one._registry).decode())


GPU = "GPU-10000000-0000-0000-0000-000000000000"


def parts(package: float, gpu: float | None) -> list[DomainView]:
    return [
        DomainView("package-0", "cpu", False, "package-0", package),
        DomainView("dram-0", "dram", True, "package-0/dram", 5.0),
        DomainView("gpu-0", "gpu", True, f"gpu/{GPU}", gpu),
    ]


def test_names_and_labels_are_those_of_the_conventions() -> None:
    one = exporter()
    one.view(view(domains=parts(100.0, 40.0)))
    found = exported(one)
    gpu = {"hw_id": GPU, "hw_type": "gpu", "hw_name": "gpu-0"}
    assert found["hw_energy_joules_total"] == [
        (
            {"hw_id": "package-0", "hw_type": "cpu", "hw_name": "package-0", "measured": "false"},
            100.0,
        ),
        (
            {
                "hw_id": "package-0/dram",
                "hw_type": "memory",
                "hw_name": "dram-0",
                "measured": "true",
            },
            5.0,
        ),
        ({**gpu, "measured": "true"}, 40.0),
    ]
    assert found["hw_power_watts"][-1] == ({**gpu, "measured": "true"}, 250.25)
    assert len(found["hw_power_watts"]) == 2  # that of dram-0 is not known
    assert found["hw_gpu_utilization_ratio"] == [(gpu, 0.98)]
    assert found["hw_temperature_celsius"] == [(gpu, 74.0)]
    ((labels, _),) = found["energyctl_run_info"]
    assert labels["condition"] == "beside two"
    assert found["energyctl_campaign_info"][0][0]["campaign"] == 'night "2"\n'
    assert found["energyctl_phase_info"] == [({"phase": "foreground"}, 1.0)]
    jobs = {labels["job"]: n for labels, n in found["energyctl_background_iterations_total"]}
    assert jobs == {"examples_mnist_rnn": 12.0, "訓練_2": 3.0}
    assert len(found["energyctl_background_load_ratio"]) == 1  # of the other it is not known


def test_energy_goes_on_from_run_to_run_and_never_falls() -> None:
    one = exporter()

    def energies(run: str, package: float, gpu: float | None) -> list[float]:
        shown = view(domains=parts(package, gpu))
        one.view(type(shown)(**{**shown.__dict__, "experiment_id": run}))
        return [value for _, value in exported(one)["hw_energy_joules_total"]]

    assert energies("a", 100.0, 40.0) == [100.0, 5.0, 40.0]
    phases = [{"joules": {"package-0": 60.0, "gpu-0": None}}, {"joules": {"package-0": 48.0}}]
    one.finished(1, {"status": "succeeded", "phases": phases})  # type: ignore[typeddict-item]
    assert energies("b", 0.0, 2.0) == [108.0, 5.0 + 5.0, 42.0]
    assert energies("b", 10.0, None) == [118.0, 10.0, 42.0]  # it lost sight of one
    assert energies("c", 1.0, 1.0) == [119.0, 15.0, 42.0 + 1.0 - 2.0 + 2.0 - 1.0]
    runs = {one["status"]: n for one, n in exported(one)["energyctl_runs_finished_total"]}
    assert runs == {"succeeded": 1.0, "failed": 0.0, "interrupted": 0.0}


def test_a_folder_that_goes_is_one_warning_and_the_file_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    with exporter(folder, every=0.02) as one:
        one.view(view())
        wait_for((folder / prometheus.FILE).exists, "the file")
        heard = one.inner
        assert isinstance(heard, Heard)
        folder.rename(tmp_path / "away")
        wait_for(lambda: heard.said, "the warning")
        time.sleep(0.1)
        (tmp_path / "away").rename(folder)
        (folder / prometheus.FILE).unlink()
        wait_for((folder / prometheus.FILE).exists, "the file")
    (said,) = heard.said
    assert said.startswith(f"warning: {folder}/energyctl.prom cannot be written (No such file")
    assert list(folder.iterdir()) == []


def alone(bench: Bench, seconds: float, **fields: Any) -> str:
    training = {"repo": "front", "model": "small", "hyperparameters": {"seconds": seconds}}
    return bench.settings(experiments=[{**training, "mode": "default"}], **fields)


def test_a_domain_that_is_the_total_by_itself_is_the_host() -> None:
    one = exporter()
    one.view(view(domains=[DomainView("wall", "other", True, "machine", 900.0)], watts={"wall": 9}))
    found = exported(one)
    labels = {"hw_id": "machine", "hw_type": "other", "hw_name": "wall", "measured": "true"}
    assert found["hw_host_energy_joules_total"] == [(labels, 900.0)]
    assert found["hw_host_power_watts"] == [(labels, 9.0)]
    assert "hw_energy_joules_total" not in found


def test_a_running_campaign_is_scraped_and_its_file_read(
    bench: Bench, tmp_path: Path, port: int
) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    bench.env |= environment(library_folder(), GPUS="1", STEP="0.02", WAVE=f"constant {WATTS:g}")
    bench.prefix = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    name = alone(bench, 1.5, runs_per_config=2)
    running = bench.start("run", name, "--textfile", str(folder), "--metrics-port", str(port))
    path = folder / prometheus.FILE
    wait_for(path.exists, "the file")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    seen = [parsed(path.read_text())]
    while running.poll() is None:
        with contextlib.suppress(OSError):  # it is ending
            seen.append(scraped(port))
        time.sleep(0.05)
    assert running.wait() == 0, running.communicate()
    assert list(folder.iterdir()) == []
    joules = [of_gpu(one["hw_energy_joules_total"]) for one in seen]
    assert joules == sorted(joules)
    metered = [sum(phase["joules"]["gpu-0"] for phase in r["phases"]) for r in bench.results()]
    assert joules[-1] == pytest.approx(sum(metered), abs=1.5 * WATTS)
    assert joules[-1] > 1.2 * max(metered)
    assert of_gpu(seen[-1]["hw_power_watts"]) == pytest.approx(WATTS, rel=0.2)
    assert {one["energyctl_phase_info"][0][0]["phase"] for one in seen} == {"foreground"}
    assert [one["energyctl_run_index"][0][1] for one in (seen[0], seen[-1])] == [1.0, 2.0]
    assert seen[-1]["energyctl_campaign_runs"] == [({}, 2.0)]


def of_gpu(samples: list[tuple[dict[str, str], float]]) -> float:
    (value,) = [value for labels, value in samples if labels["hw_type"] == "gpu"]
    return value


def test_what_a_kill_leaves_tells_its_age_and_the_next_campaign_takes_it_away(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / prometheus.FILE
    running = bench.start("run", alone(bench, 30.0), "--textfile", str(tmp_path))
    wait_for(path.exists, "the file", 20)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    ((_, updated),) = parsed(path.read_text())["energyctl_campaign_last_update_time_seconds"]
    assert 0 <= time.time() - updated < 60
    bench.end_trainings()
    resumed = bench.run("resume", "--textfile", str(tmp_path))
    assert resumed.returncode == 0, resumed.stderr
    assert not path.exists()


def test_what_cannot_be_exported_starts_nothing(bench: Bench, tmp_path: Path, port: int) -> None:
    name, none = bench.parallel(), tmp_path / "none"
    done = bench.look("run", name, "--textfile", str(none))
    said = f"energyctl: --textfile {none}: no such folder\n"
    assert (done.returncode, done.stderr) == (2, said)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = bench.look("run", name, "--metrics-port", str(port))
    assert done.returncode == 3
    assert f"--metrics-port {port}: 127.0.0.1:{port} cannot be had (Address already" in done.stderr
    assert bench.trials == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(prometheus.MachineError, match="you cannot write there"):
        Exports(tmp_path, None).check()


def test_connections_that_say_nothing_and_crowds_take_no_files_and_delay_nobody(port: int) -> None:
    with PrometheusExporter(Heard(), Exports(None, port), "x", 1), contextlib.ExitStack() as crowd:
        before = len(os.listdir("/proc/self/fd"))
        held = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(24)
        ]
        for one in held[prometheus_endpoint.MOST_CONNECTIONS :]:
            one.settimeout(5)
            assert one.recv(1) == b""  # closed at once
        mine = len(held)
        taken = len(os.listdir("/proc/self/fd")) - before - mine
        assert taken <= prometheus_endpoint.MOST_CONNECTIONS
        for one in held:
            one.close()
        wait_for(lambda: answers(port), "an answer once they are gone")
        began = time.monotonic()
    assert time.monotonic() - began < 2


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return "energyctl_campaign_runs" in scraped(port)
    return False
