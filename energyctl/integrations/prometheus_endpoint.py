"""The endpoint on 127.0.0.1, which any user of the machine can reach: it may take neither the
campaign's files nor its time, whatever they do there."""

from __future__ import annotations

import threading
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

MOST_CONNECTIONS = 8
"""At a time; further ones are closed."""

SECONDS_BETWEEN = 0.05
"""From one connection to the next: answers are made while something is measured."""

SILENCE_SECONDS = 5.0
"""A client that says nothing for so long is cut off."""


class Endpoint(ThreadingWSGIServer):
    """Use :func:`serve`."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._closing = threading.Event()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self._closing.wait(SECONDS_BETWEEN)
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a client that goes away is no news."""

    def stop(self) -> None:
        self._closing.set()
        self.shutdown()
        self.server_close()


class _Handler(WSGIRequestHandler):
    timeout: ClassVar[float] = SILENCE_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


def serve(host: str, port: int, registry: CollectorRegistry) -> Endpoint:
    """Answers in threads until it is stopped. Raises OSError where the port cannot be had."""
    server = make_server(host, port, make_wsgi_app(registry), Endpoint, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="prometheus", daemon=True).start()
    return server
