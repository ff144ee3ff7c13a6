"""A bad line: a loopback relay that breaks or goes silent after so many bytes."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator


class _Line:
    def __init__(
        self, port: int, cut_after: int | None, freeze_after: int | None, lose_answers: threading.Event, delay: float
    ) -> None:
        self._delay = delay
        self._port = port
        self._lose_answers = lose_answers
        self._cut_after = cut_after
        self._freeze_after = freeze_after
        self._sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _peer = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for each in (near, far):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink, counted in ((near, far, True), (far, near, False)):
                    pump, more = (self._carry, ()) if self._delay else (self._pump, (counted,))
                    threading.Thread(target=pump, args=(source, sink, *more), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Everything, each piece as much later as the line is long, with any number under way."""
        under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def arrive() -> None:
            with contextlib.suppress(OSError):
                while True:
                    due, data = under_way.get()
                    time.sleep(max(0.0, due - time.monotonic()))
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    sink.sendall(data)

        threading.Thread(target=arrive, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := source.recv(262_144):
                under_way.put((time.monotonic() + self._delay, data))
        under_way.put((time.monotonic() + self._delay, b""))

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        limit = (self._cut_after if self._cut_after is not None else self._freeze_after) if counted else None
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not counted and self._lose_answers.is_set():
                    break
                if limit is not None and passed + len(data) >= limit:
                    sink.sendall(data[: limit - passed])
                    if self._cut_after is None:
                        return  # silent from here on, and open
                    break
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in (self.listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def run_relay(
    port: int,
    *,
    cut_after: int | None = None,
    freeze_after: int | None = None,
    lose_answers: threading.Event | None = None,
    delay: float = 0.0,
) -> Iterator[int]:
    """The port of a relay to a loopback port. It counts the bytes from the client to the server.

    After `cut_after` of them both ends are cut off; after `freeze_after` nothing more gets to the server, while
    both connections stay open. Once `lose_answers` is set, the next answer of the server's is swallowed and both
    ends are cut off. `delay` is how many seconds later everything arrives, each way: half of what it adds to a
    round trip.
    """
    line = _Line(port, cut_after, freeze_after, lose_answers or threading.Event(), delay)
    threading.Thread(target=line.serve, daemon=True).start()
    try:
        yield int(line.listener.getsockname()[1])
    finally:
        line.close()
