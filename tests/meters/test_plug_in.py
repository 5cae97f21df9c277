"""Sources of other packages: the documented example against a plug of known power."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from energyctl.meters.discovery import BUILT_IN, GROUP
from hardware.plug_in import install
from hardware.powercap import zone

DOCUMENT = Path(__file__).parents[2] / "docs" / "plug-ins.md"
# The plug's power rises evenly, so that the trapezoids between its readings are exact.
START_WATTS, WATTS_PER_SECOND = 100.0, 20.0


class Plug(ThreadingHTTPServer):
    """Tells its power on every page. delay_seconds: before it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.epoch = time.time()
        self.asked: list[float] = []
        self.delay_seconds = 0.0

    def watts(self, at: float) -> float:
        return START_WATTS + WATTS_PER_SECOND * (at - self.epoch)

    def joules(self, start: float, end: float) -> float:
        return (end - start) * (self.watts(start) + self.watts(end)) / 2


class Page(BaseHTTPRequestHandler):
    server: Plug

    def do_GET(self) -> None:
        now = time.time()
        self.server.asked.append(now)
        body = json.dumps({"power": self.server.watts(now)}).encode()
        Event().wait(self.server.delay_seconds)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def plug() -> Iterator[Plug]:
    with Plug() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def block(language: str) -> str:
    """The one code block of that language in the document."""
    pattern = rf"^```{language}\n(.*?)^```"
    (found,) = re.findall(pattern, DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return str(found)


def install_example(site: Path) -> None:
    header, entry = block("toml").splitlines()
    assert header == f'[project.entry-points."{GROUP}"]'
    install(site, "smart_plug", block("python"), entry.replace('"', ""))


def metered(
    site: Path, tmp_path: Path, command: list[str], **environment: str
) -> tuple[dict[str, Any], str]:
    """(the document of `energyctl meter --json`, standard error), on a machine with one package."""
    tree, report = tmp_path / "powercap", tmp_path / "energy.json"
    zone(tree, "intel-rapl:0", "package-0")
    env = {
        **os.environ,
        "PYTHONPATH": str(site),
        "ENERGYCTL_POWERCAP": str(tree),
        "CUDA_VISIBLE_DEVICES": "",
        "no_proxy": "127.0.0.1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-m", "energyctl", "meter", "--json", str(report), "--", *command],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(report.read_text()), done.stderr


def domain(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [d for d in document["energy"]["domains"] if d["name"] == name]
    return dict(found)


@pytest.mark.alone
def test_the_documented_plug_is_metered_to_its_energy(tmp_path: Path, plug: Plug) -> None:
    install_example(tmp_path / "site")
    url = f"http://127.0.0.1:{plug.server_port}/power"
    document, summary = metered(tmp_path / "site", tmp_path, ["sleep", "2.5"], SMART_PLUG_URL=url)
    found, (phase,) = domain(document, "plug"), document["phases"]
    truth = plug.joules(phase["start"], phase["end"])
    assert found["joules"] == pytest.approx(truth, rel=0.02)
    assert abs(found["joules"] - truth) <= found["uncertainty_joules"]
    assert not found["in_total"]
    assert document["energy"]["total_joules"] == domain(document, "package-0")["joules"]
    assert re.search(r"^ plug .* smart plug +not in the total$", summary, re.MULTILINE)
    # The device is asked at the pace that it says of itself, and at the edges.
    assert len(plug.asked) < 15


@pytest.mark.alone
def test_a_slow_plug_does_not_lengthen_what_is_metered(tmp_path: Path, plug: Plug) -> None:
    install_example(tmp_path / "site")
    plug.delay_seconds = 0.7
    url = f"http://127.0.0.1:{plug.server_port}/power"
    document, _ = metered(tmp_path / "site", tmp_path, ["true"], SMART_PLUG_URL=url)
    assert document["energy"]["seconds"] < 0.6


def test_a_plug_that_does_not_answer_is_unknown_and_the_rest_goes_on(tmp_path: Path) -> None:
    install_example(tmp_path / "site")
    with Plug() as gone:
        url = f"http://127.0.0.1:{gone.server_port}/power"
    document, summary = metered(tmp_path / "site", tmp_path, ["true"], SMART_PLUG_URL=url)
    found = domain(document, "plug")
    assert found["joules"] is None
    assert "Connection refused" in found["missing"]
    assert document["energy"]["total_joules"] is not None
    assert any("no energy of plug: " in line for line in document["warnings"])
    assert re.search(r"^ plug +unknown .*see the warnings$", summary, re.MULTILINE)


def test_a_plug_that_is_not_asked_for_is_not_there(tmp_path: Path) -> None:
    install_example(tmp_path / "site")
    document, _ = metered(tmp_path / "site", tmp_path, ["true"], SMART_PLUG_URL="")
    assert [d["name"] for d in document["energy"]["domains"]] == ["package-0"]


@pytest.mark.parametrize(
    "source",
    [
        "import no_such_module",
        "def open_source(wanted): raise OSError('it is gone')",
        "def open_source(wanted): return 'no source'",
        "def open_source(wanted): raise SystemExit(7)",
        "unfinished = (",
        "nothing = 0",
    ],
)
def test_a_source_that_breaks_is_one_warning_and_the_rest_goes_on(
    tmp_path: Path, source: str
) -> None:
    install(tmp_path / "site", "broken_source", source, "broken = broken_source:open_source")
    document, summary = metered(tmp_path / "site", tmp_path, ["true"])
    told = [line for line in document["warnings"] if "broken" in line]
    assert len(told) == 1
    assert told[0].startswith("the source broken (broken_source:open_source) cannot be opened: ")
    assert domain(document, "package-0")["joules"] is not None
    assert "Traceback" not in summary


def test_the_built_in_sources_come_through_the_same_door() -> None:
    installed = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    assert installed.items() >= BUILT_IN.items()
