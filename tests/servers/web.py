"""A web server of somebody who listens to webhooks, in this process and on loopback."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.certificates import Certificate


@dataclass
class Listener:
    """What it answers, and what it was sent: headers (lower case) and bodies. `silent_for` seconds pass before."""

    url: str
    port: int
    status: int = 204
    location: str = ""
    silent_for: float = 0
    got: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)


@contextmanager
def listening(certificate: Certificate | None, folder: Path) -> Iterator[Listener]:
    """With a certificate by https, without one in clear."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            listener.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(listener.silent_for)
            self.send_response(listener.status)
            if listener.location:
                self.send_header("Location", listener.location)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.write(folder / "web.pem"))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    port = server.server_address[1]
    listener = Listener(f"{'https' if certificate else 'http'}://127.0.0.1:{port}/hook?of=piquet", port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
