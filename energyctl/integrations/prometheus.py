"""A running campaign as metrics for Prometheus: a file for node_exporter's textfile collector, and
an endpoint on 127.0.0.1.

Names and labels of energy and power are those of OpenTelemetry's hardware metrics (``hw.energy``,
``hw.power``, https://opentelemetry.io/docs/specs/semconv/hardware/), spelled for Prometheus.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import fsum
from pathlib import Path
from typing import Any

from energyctl.campaign.observer import Observer, View
from energyctl.errors import MachineError, SettingsError
from energyctl.integrations.prometheus_metrics import Energies, Figures
from energyctl.results.schema import STATUSES, Result
from energyctl.system.dependencies import extra_install
from energyctl.system.threads import start_thread, without_signals

FILE = "energyctl.prom"
EVERY_SECONDS = 15.0
"""Between two writes of the file within a phase: as often as Prometheus asks by most set-ups."""
LAST_WRITE_SECONDS = 5.0
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Exports:
    """Where a campaign's metrics go. folder: of node_exporter's textfile collector; port: of the
    endpoint; None: there is none."""

    folder: Path | None
    port: int | None

    def check(self) -> None:
        """Raises SettingsError or MachineError where they cannot go there; leaves nothing."""
        try:
            import prometheus_client  # noqa: F401
        except ImportError:
            raise SettingsError(
                f"metrics for Prometheus need a package: {extra_install('prometheus')}"
            ) from None
        if self.folder is not None:
            if not self.folder.is_dir():
                raise SettingsError(f"--textfile {self.folder}: no such folder")
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise MachineError(
                    f"--textfile {self.folder}: you cannot write there; make a folder of your own "
                    "that node_exporter reads, see docs/operators.md"
                )
        if self.port is not None:
            with socket.socket() as trial, _naming_port(self.port):
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
                trial.bind((HOST, self.port))


@contextlib.contextmanager
def _naming_port(port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"--metrics-port {port}: {HOST}:{port} cannot be had ({error.strerror}); name another"
        ) from error


@dataclass(eq=False)  # the registry keeps it by identity
class PrometheusExporter:
    """Passes everything on to *inner*; what was told last is exported while the block runs.

    planned: how many runs there are to do. The file is there from the first run on, and removed at
    the end: what Prometheus no longer finds goes stale, and no series lives on.
    """

    inner: Observer
    exports: Exports
    campaign: str
    planned: int
    every: float = EVERY_SECONDS
    _energies: Energies = field(default_factory=Energies)
    _server: Any = None
    _writer: threading.Thread | None = None
    _due: threading.Event = field(default_factory=threading.Event)
    _ended: bool = False
    _failed: bool = False

    def __post_init__(self) -> None:
        from prometheus_client import CollectorRegistry

        runs = {str(status): 0 for status in STATUSES}
        self._figures = Figures(self.campaign, self.planned, time.time(), runs)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def __enter__(self) -> PrometheusExporter:
        """Raises MachineError where the port was taken meanwhile."""
        if self.exports.port is not None:
            from energyctl.integrations.prometheus_endpoint import serve

            with without_signals(), _naming_port(self.exports.port):
                self._server = serve(HOST, self.exports.port, self._registry)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.stop()
        if self._writer is not None and self.exports.folder is not None:
            self._ended = True
            self._due.set()
            self._writer.join(LAST_WRITE_SECONDS)
            with contextlib.suppress(OSError):
                (self.exports.folder / FILE).unlink()

    def collect(self) -> Iterator[Any]:
        """For the registry: the metrics, from what was told last."""
        return self._figures.families()

    # -- as an observer ---------------------------------------------------------------------------

    def view(self, view: View) -> None:
        before = self._figures.view
        self._figures = self._figures.seen(view, time.time(), self._energies.of(view))
        if self.exports.folder is not None:
            if self._writer is None:
                self._writer = start_thread(self._write_until_ended, "prometheus-textfile")
            place = view.experiment_id, view.phase
            if before is None or place != (before.experiment_id, before.phase):
                self._due.set()
        self.inner.view(view)

    def say(self, text: str) -> None:
        self.inner.say(text)

    def finished(self, index: int, result: Result) -> None:
        self._energies.finished(_joules_of(result))
        self._figures = self._figures.counting(result["status"])
        self.inner.finished(index, result)

    # -- the file ---------------------------------------------------------------------------------

    def _write_until_ended(self) -> None:
        """In a thread of its own: a slow disk must not hold up a measurement."""
        while True:
            self._due.wait(self.every)
            self._due.clear()
            if self._ended:
                return
            try:
                self._write()
                self._failed = False
            except OSError as error:
                if not self._failed:
                    self.say(
                        f"warning: {self.exports.folder}/{FILE} cannot be written "
                        f"({error.strerror}): the campaign goes on without it, and tries again"
                    )
                self._failed = True

    def _write(self) -> None:
        """The file, whole or not at all; node_exporter, another user, may read it. Raises OSError.

        Not forced to the disk: after a crash of the machine nobody wants it.
        """
        from prometheus_client import generate_latest

        assert self.exports.folder is not None
        path = self.exports.folder / FILE
        fresh = path.with_name(f".{FILE}.{os.getpid()}.tmp")  # node_exporter reads *.prom alone
        text = generate_latest(self._registry)
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with open(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o644)  # whatever the umask
                file.write(text)
            os.replace(fresh, path)
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink()


def _joules_of(result: Result) -> dict[str, float]:
    """Of all phases of a run, by domain, where all of them are known."""
    names = {name for phase in result["phases"] for name in phase["joules"]}
    found = {name: [phase["joules"].get(name) for phase in result["phases"]] for name in names}
    return {
        name: fsum(one for one in joules if one is not None)
        for name, joules in found.items()
        if None not in joules
    }
