"""Listens to what a training tells of itself, in a thread that sleeps while it tells nothing.

At each boundary (an epoch or a mark) it has the sampler take one extra reading, so that the
energy between two of them is a difference of counters, as that of a phase is.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from energyctl.meters.marks.lines import LONGEST_LINE, Line, parse
from energyctl.meters.marks.timeline import Boundary, Timeline
from energyctl.system.threads import start_thread
from energyctl.system.user import give_to_caller

SOCKET = "ENERGYCTL_SOCKET"  # as in energyctl.marks
"""Variable: the path of the socket, in the environment of a training that is measured."""

MOST_CONNECTIONS = 64
_PIECE_BYTES = 1 << 16

READINGS_A_SECOND, READINGS_AT_ONCE = 2.0, 20
READINGS_UNTIL_SLOWER = 10_000
"""Extra readings: after so many, half as many a second, and so on. Of a boundary without one the
energy is interpolated between the samples around it, and its band says so."""

LINES_A_SECOND, LINES_AT_ONCE, LINES_OF_A_PIECE = 2000, 200, 5
"""More are read later: what a training tells may not keep energyctl busy. A piece that comes, or a
connection, costs as much as so many lines, also where there is none in it."""

LAST_SECONDS = 2.0
"""For what is in the socket at the end."""


class ReadingLimit:
    """How often an extra reading is taken: a few at once, not many for long."""

    def __init__(self) -> None:
        self._left, self._since = float(READINGS_AT_ONCE), 0.0
        self._rate, self._taken = READINGS_A_SECOND, 0

    def allows(self, now: float) -> bool:
        """*now*: monotonic seconds."""
        gained = (now - self._since) * self._rate
        self._left, self._since = min(float(READINGS_AT_ONCE), self._left + gained), now
        if self._left < 1:
            return False
        self._left -= 1
        self._taken += 1
        if self._taken % READINGS_UNTIL_SLOWER == 0:
            self._rate /= 2
        return True


class _Connection:
    """What one process sends."""

    def __init__(self) -> None:
        self._kept, self._skipping = b"", False

    def lines(self, data: bytes) -> Iterator[str]:
        """The lines that are whole by now; of one that is too long only its beginning."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            line, skipping = self._kept + part, self._skipping
            self._kept, self._skipping = b"", False
            if not skipping and line:
                yield _text(line)
        self._kept += rest
        if len(self._kept) > LONGEST_LINE:
            if not self._skipping:
                yield _text(self._kept)
            self._kept, self._skipping = b"", True


def _text(line: bytes) -> str:
    long = "too long: " if len(line) > LONGEST_LINE else ""  # which is no line of a training
    return long + line[:LONGEST_LINE].decode(errors="replace")


class Receiver:
    """Listens at a Unix socket until it is closed; `timeline` is complete then.

    now: the sampler's clock (Unix seconds); reading: has it take one more reading.
    """

    def __init__(
        self,
        path: Path,
        timeline: Timeline,
        now: Callable[[], float],
        reading: Callable[[], object],
    ) -> None:
        """Raises OSError where nobody can listen there."""
        self.timeline = timeline
        self._path, self._now, self._reading = path, now, reading
        self._limit = ReadingLimit()
        self._failed: str | None = None
        self._began = time.monotonic()
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stop, self._wake = socket.socketpair()
        try:
            self._server.bind(str(path))
            give_to_caller(path)
            self._server.listen(MOST_CONNECTIONS)
        except OSError:
            self._close_all([self._server, self._stop, self._wake])
            raise
        self._server.setblocking(False)
        self._closing = threading.Event()
        self._lines, self._since = 0.0, time.monotonic()
        self._thread = start_thread(self._run, "marks")

    def close(self) -> None:
        """Takes what is in the socket still, and ends; the socket's file is removed."""
        if not self._closing.is_set():
            self._closing.set()
            with contextlib.suppress(BrokenPipeError):  # what failed has ended by itself
                # No mere close: a child that is forked off may have it open.
                self._stop.send(b"\0")
        self._thread.join()
        self._stop.close()
        self._path.unlink(missing_ok=True)

    def warnings(self) -> list[str]:
        failed = [] if self._failed is None else [self._failed]
        return [*failed, *self.timeline.warnings()]

    # -- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            try:
                while not self._closing.is_set():
                    self._serve(selector, selector.select())
                selector.unregister(self._wake)
                until = time.monotonic() + LAST_SECONDS
                while (events := selector.select(0)) and time.monotonic() < until:
                    self._serve(selector, events)
            except Exception as error:  # whatever a training sends, it is measured on
                self._failed = (
                    "epochs and marks of the training were lost from here on: "
                    f"{type(error).__name__}: {error}"
                )
            finally:
                ours = [key.fileobj for key in selector.get_map().values()]
                sockets = [one for one in ours if isinstance(one, socket.socket)]
                self._close_all([*sockets, self._server, self._wake])

    def _serve(
        self, selector: selectors.BaseSelector, events: list[tuple[selectors.SelectorKey, int]]
    ) -> None:
        for key, _ in events:
            one = key.fileobj
            assert isinstance(one, socket.socket)
            if one is self._server:
                self._accept(selector)
            elif one is not self._wake:
                self._receive(selector, one, key.data)
        self._rest(LINES_OF_A_PIECE * len(events))

    def _rest(self, lines: int) -> None:
        """For as long as *lines* more, with those of just now, are too many."""
        now = time.monotonic()
        self._lines = max(0.0, self._lines - (now - self._since) * LINES_A_SECOND) + lines
        self._since = now
        if self._lines > LINES_AT_ONCE:
            self._closing.wait(self._lines / LINES_A_SECOND)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            if len(selector.get_map()) >= MOST_CONNECTIONS + 2:
                connection.close()
                return
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, _Connection())

    def _receive(
        self, selector: selectors.BaseSelector, connection: socket.socket, of: _Connection
    ) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = connection.recv(_PIECE_BYTES)
        lines = [*of.lines(data or b"\n")]
        self._take(lines, of)
        self._lines += len(lines)
        if not data:
            selector.unregister(connection)
            connection.close()

    def _take(self, lines: list[str], of: _Connection) -> None:
        """Into the timeline, with one reading for all of them."""
        receipt, known = time.monotonic(), list[tuple[float | None, Line]]()
        offset = self._now() - receipt
        for text in lines:
            try:
                known.append(parse(text))
            except ValueError:
                self.timeline.unreadable(text)
        boundary = any(isinstance(line, Boundary) for _, line in known)
        if boundary and self._limit.allows(receipt):
            self._reading()
        for at, line in known:
            possible = at is not None and self._began <= at <= receipt
            instant = (at if possible and at is not None else receipt) + offset
            self.timeline.take(line, instant, of)

    @staticmethod
    def _close_all(sockets: list[socket.socket]) -> None:
        for one in sockets:
            one.close()
