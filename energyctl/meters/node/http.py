"""Questions to a small web server, with a limit for the whole of each.

`urllib.request` limits the time between two bytes only, opens a connection for each question, and
takes three times the CPU time. A connection is kept here where the server keeps it.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from energyctl.meters.node.device import NoAnswer, NodeDevice

MOST_BYTES = 1 << 20
OK, UNAUTHORIZED, FORBIDDEN = 200, 401, 403
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
CLOSES = re.compile(rb"^HTTP/1\.0|\r\nconnection:[ \t]*close", re.IGNORECASE)


class JsonClient:
    """Asks one web server, one question at a time. denied: what a 401 or 403 comes from."""

    def __init__(
        self,
        url: str,
        limit_seconds: float,
        *,
        headers: Mapping[str, str] | None = None,
        trusted: ssl.SSLContext | None = None,
        denied: str,
    ) -> None:
        """url: without a / at its end. trusted: for https."""
        parts = urlsplit(url)
        self._base, self._path = url, parts.path
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._limit, self._denied = limit_seconds, denied
        self._tls = trusted if parts.scheme == "https" else None
        lines = {"Host": parts.netloc, "Accept": "application/json", **(headers or {})}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._lock = threading.Lock()  # guards the socket
        self._socket: socket.socket | None = None
        self._cancelled = False

    def get(self, path: str) -> Any:
        """The JSON at *path*. NoAnswer with the address and the reason."""
        try:
            return self._json(*self._exchange(path))
        except NoAnswer as error:
            reason = str(error)
        except TimeoutError:
            reason = f"no answer within {self._limit:g} s"
        except ssl.SSLCertVerificationError as error:
            reason = f"its certificate is not trusted ({error.verify_message})"
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "the connection broke"
        self._drop()
        raise NoAnswer(f"{self._base}{path}: {reason}")

    def cancel(self) -> None:
        """Ends a question under way, and refuses all others."""
        with self._lock:
            self._cancelled = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Once nobody asks any more."""
        self._drop()

    # -- the connection -------------------------------------------------------------------------

    def _exchange(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        deadline = time.monotonic() + self._limit
        request = f"GET {self._path}{path} HTTP/1.1\r\n{self._headers}\r\n".encode("ascii")
        if self._socket is not None:
            with contextlib.suppress(ConnectionError):  # the server may have ended it since
                return self._converse(self._socket, request, deadline)
            self._drop()
        return self._converse(self._connected(deadline), request, deadline)

    def _converse(
        self, connection: socket.socket, request: bytes, deadline: float
    ) -> tuple[int, bytes]:
        connection.settimeout(_left(deadline))
        connection.sendall(request)
        answer = b""
        while len(answer) <= MOST_BYTES:
            piece = connection.recv(1 << 16)
            if not piece and not answer:
                raise ConnectionResetError(0, "it closed without an answer")
            answer += piece
            head, end, body = answer.partition(HEAD_END)
            if not piece or (end and _is_whole(head, body)):
                break
            connection.settimeout(_left(deadline))
        else:
            raise NoAnswer("the answer is too long")
        if not piece or CLOSES.search(head):
            self._drop()
        words = head.split(b"\r\n", 1)[0].split()
        if not end or len(words) < 2 or not words[1].isdigit():
            raise NoAnswer("it answered no HTTP")
        return int(words[1]), _unchunked(body) if CHUNKED.search(head) else body

    def _connected(self, deadline: float) -> socket.socket:
        """By the first of its addresses that takes us."""
        refused: OSError = OSError("it has no address")
        addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in addresses:
            connection = self._held(socket.socket(family, kind, protocol))
            try:
                connection.settimeout(_left(deadline))
                connection.connect(address)
                return connection if self._tls is None else self._encrypted(connection, deadline)
            except TimeoutError:
                raise
            except OSError as error:
                refused = error
                self._drop()
        raise refused

    def _encrypted(self, connection: socket.socket, deadline: float) -> socket.socket:
        assert self._tls is not None
        wrapped = self._tls.wrap_socket(
            connection, server_hostname=self._host, do_handshake_on_connect=False
        )
        self._held(wrapped)
        wrapped.settimeout(_left(deadline))
        wrapped.do_handshake()
        return wrapped

    def _held(self, connection: socket.socket) -> socket.socket:
        """The same, where `cancel` finds it."""
        with self._lock:
            if self._cancelled:
                connection.close()
                raise NoAnswer("it is closed")
            self._socket = connection
        return connection

    def _drop(self) -> None:
        with self._lock:
            connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    # -- the answer -----------------------------------------------------------------------------

    def _json(self, status: int, body: bytes) -> Any:
        if status in (UNAUTHORIZED, FORBIDDEN):
            raise NoAnswer(f"HTTP {status}: {self._denied}")
        if status != OK:
            raise NoAnswer(f"HTTP {status}")
        try:
            return json.loads(body)
        except ValueError:
            raise NoAnswer("it answered no JSON") from None


def _is_whole(head: bytes, body: bytes) -> bool:
    """Whether the server has sent all of it; where it does not say, its end of the connection
    does."""
    if CHUNKED.search(head):
        return body.endswith(b"0" + HEAD_END)
    length = LENGTH.search(head + b"\r")
    return length is not None and len(body) >= int(length[1])


def _unchunked(body: bytes) -> bytes:
    """What the pieces hold (RFC 9112, section 7.1)."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            count = int(size.split(b";")[0], 16)
        except ValueError:
            raise NoAnswer("it answered no HTTP") from None
        if not count:
            break
        whole, body = whole + rest[:count], rest[count + 2 :]
    return whole


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class HttpDevice(NodeDevice):
    """A meter that is asked by `client`."""

    client: JsonClient

    def cancel(self) -> None:
        self.client.cancel()

    def close(self) -> None:
        self.client.close()
