"""One XML-RPC call over a unix socket, with a time limit."""

from __future__ import annotations

import http.client
import socket
import struct
import xmlrpc.client
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

PEER_SECONDS = 1.0
"""For a listener with no room left in its queue."""


class Unreachable(Exception):
    """Nobody answers at the socket, or not in XML-RPC."""


def call(path: Path, limit_seconds: float, method: str, *arguments: Any) -> Any:
    """Calls *method* of supervisord at *path*.

    Raises Unreachable, or xmlrpc.client.Fault as supervisord says it.
    """
    transport = _UnixTransport(str(path), limit_seconds)
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
    try:
        return getattr(proxy, method)(*arguments)
    except xmlrpc.client.Fault:
        raise
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
        reason = str(error) or type(error).__name__
        raise Unreachable(f"supervisord at {path}: {reason}") from error
    finally:
        transport.close()


def peer_pid(path: Path) -> int:
    """The process that listens at *path*, as the kernel tells it (SO_PEERCRED, unix(7)).

    0 where nobody does, or it is of another pid namespace.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PEER_SECONDS)
            connection.connect(str(path))
            ids = struct.Struct("3i")
            told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ids.size)
            return int(ids.unpack(told)[0])
    except OSError:
        return 0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket with a time limit (supervisor's own transport has none)."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__()
        self._path, self._seconds = path, seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path, self._seconds)
        self._connection = host, connection  # what close() closes
        return connection
