"""A webhook's receiver for tests: a real server on loopback that answers as it is told."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_S = 30.0
HANG = 0
"""Stands for a status: no answer until the receiver ends."""


class Receiver:
    """What came, and what will be answered."""

    def __init__(self) -> None:
        self.posts: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        """Path and body of each post, in order."""
        self.answers: queue.Queue[int] = queue.Queue()
        """Statuses of the next answers; 200 after them."""
        self.over = threading.Event()
        self.url = ""

    def next(self) -> tuple[str, dict[str, Any]]:
        """The next post, once it is there."""
        return self.posts.get(timeout=WAIT_S)


@contextmanager
def receiver(path: str) -> Iterator[Receiver]:
    """A receiver whose URL ends in ``path``."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.put((self.path, json.loads(body)))
            status = made.answers.get_nowait() if not made.answers.empty() else 200
            if status == HANG:
                made.over.wait(WAIT_S)
                return
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", f"{made.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the server looks for this name

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/{path}"
    yield made
    made.over.set()
    server.shutdown()
    server.server_close()
