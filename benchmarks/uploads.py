"""Files to real servers on loopback, beside OpenSSH's sftp and curl: one large file, and many small ones.

Everybody connects anew for each measurement, uploads under a temporary name and renames. The peers take turns with
ours in the same run; figures are medians. They do what ours does: OpenSSH has the server flush the file (`-f`), curl
asks for the size of what it wrote and whether the name is taken. Beside peers that leave that out the ratio is only
told. The small files are one round, because Debian's curl 7.88 stalls for up to a second at some data connections,
above all with vsftpd: that ratio says more of curl than of us.
"""

import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.result import Result
from portal.transports import ftps, sftp
from portal.transports.session import Session
from portal.transports.targets import FtpsTarget, SftpTarget
from tests.servers.ftp import KINDS, FtpServer, run_ftp
from tests.servers.relay import run_relay
from tests.servers.requirements import need
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.targets import on_ftp, on_sshd

LARGE, SMALL, FILES = 256 << 20, 1024, 500
ROUND_TRIP = 0.02  # seconds added
PIECE = 1 << 20
Upload = Callable[[], None]


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="pq-bench-") as name:
        files = Files(Path(name))
        yield from _sftp(files)
        for kind in KINDS:
            yield from _ftps(files, kind)


class Files:
    """What is uploaded: `large`, and FILES in `small`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.large = folder / "large"
        with self.large.open("wb") as file:
            block = bytes(range(256)) * (PIECE // 256)
            for _ in range(LARGE // PIECE):
                file.write(block)
        self.small = [folder / f"{number}.csv" for number in range(FILES)]
        for path in self.small:
            path.write_bytes(b"x" * SMALL)


def _sftp(files: Files) -> Iterator[Result]:
    with run_sshd() as server, openssh(server, files) as sftp_by_hand:
        for more, demand in ((("-f",), ">= 0.85"), ((), "")):
            ours, theirs = _medians(
                server.root,
                5,
                lambda: large(on_sshd(server), files),
                lambda more=more: sftp_by_hand([files.large], server.port, *more),  # type: ignore[misc]
            )
            peer = " ".join(["sftp -c aes128-gcm@openssh.com", *more])
            yield Result("SFTP, 256 MB", "MB/s", LARGE / 1e6 / ours, peer, LARGE / 1e6 / theirs, demand)
        with run_relay(server.port, delay=ROUND_TRIP / 2) as port:
            ours, theirs = _medians(
                server.root,
                1,
                lambda: small(on_sshd(server, port=port), files),
                lambda: sftp_by_hand(files.small, port),
            )
        name = f"SFTP, {FILES} files at 20 ms more round trip"
        yield Result(name, "files/s", FILES / ours, "sftp -b", FILES / theirs, ">= 5")


def _ftps(files: Files, kind: str) -> Iterator[Result]:
    with run_ftp(kind) as server:
        curl, target = Curl(server, files), on_ftp(server)
        ours, theirs = _medians(server.root, 5, lambda: large(target, files), lambda: curl.upload([files.large]))
        yield Result(f"FTPS, 256 MB, {kind}", "MB/s", LARGE / 1e6 / ours, "curl", LARGE / 1e6 / theirs, ">= 0.8")
    # TLS 1.2: of many files over TLS 1.3 Debian's curl resumes some sessions too early, and vsftpd turns it away.
    with run_ftp(kind, tls="1.2") as server:
        curl, target = Curl(server, files), on_ftp(server)
        for looks, demand in ((True, ">= 0.8"), (False, "")):
            ours, theirs = _medians(
                server.root,
                1,
                lambda: small(target, files),
                lambda looks=looks: curl.upload(files.small, looks=looks),  # type: ignore[misc]
            )
            peer = "curl with the same looks" if looks else "curl"
            yield Result(f"FTPS, {FILES} files, {kind}", "files/s", FILES / ours, peer, FILES / theirs, demand)


def _medians(root: Path, rounds: int, ours: Upload, theirs: Upload) -> tuple[float, float]:
    """The median seconds of each; they take turns, and each round begins with an empty folder."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            (ours, theirs)[which]()
            took[which].append(time.perf_counter() - started)
            _check(root)
    return statistics.median(took[0]), statistics.median(took[1])


def _check(root: Path) -> None:
    """Everything arrived under its final name; then it is taken away."""
    found = {path.name: path.stat().st_size for path in root.iterdir()}
    assert found in ({"large": LARGE}, {f"{number}.csv": SMALL for number in range(FILES)}), list(found)[:5]
    for path in root.iterdir():
        path.unlink()


def session_on(target: SftpTarget | FtpsTarget) -> contextlib.AbstractContextManager[Session]:
    return sftp.connect(target) if isinstance(target, SftpTarget) else ftps.connect(target)


def large(target: SftpTarget | FtpsTarget, files: Files) -> None:
    with session_on(target) as session:
        _one(session, files.large)


def small(target: SftpTarget | FtpsTarget, files: Files) -> None:
    with session_on(target) as session:
        session.for_each(_one, files.small)


def _one(session: Session, path: Path) -> None:
    with path.open("rb") as file:
        session.upload(f".{path.name}.part", iter(lambda: file.read(PIECE), b""), path.stat().st_size)
    session.publish(f".{path.name}.part", path.name)


@contextlib.contextmanager
def openssh(server: Sshd, files: Files) -> Iterator[Callable[..., None]]:
    """OpenSSH's own client, by a batch of puts and renames."""
    program = shutil.which("sftp")
    assert program, "sftp (Debian: openssh-client) is not installed"
    key, batch = files.folder / "key", files.folder / "batch"
    key.touch(mode=0o600)
    key.write_text(server.private_key)

    def upload(paths: list[Path], port: int, *more: str) -> None:
        lines = [f"put {path} .{path.name}.part\nrename .{path.name}.part {path.name}" for path in paths]
        batch.write_text("\n".join(lines) + "\n")
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        words = [word for option in options for word in ("-o", option)]
        command = [
            program,
            "-q",
            *more,
            "-c",
            "aes128-gcm@openssh.com",
            "-i",
            str(key),
            "-P",
            str(port),
            "-b",
            str(batch),
        ]
        subprocess.run(
            [*command, *words, f"{server.username}@{server.host}"], check=True, stdout=subprocess.DEVNULL, timeout=300
        )

    yield upload


class Curl:
    """curl with one connection for all files, each uploaded aside and renamed after."""

    def __init__(self, server: FtpServer, files: Files) -> None:
        self._server, self._folder = server, files.folder
        (files.folder / "ca.pem").write_text(server.authority)
        self._always = [f'cacert = "{files.folder / "ca.pem"}"', f'user = "{server.username}:{server.password}"']
        self._always += ["ssl-reqd", "silent", "show-error"]

    def upload(self, paths: list[Path], *, looks: bool = False) -> None:
        """With `looks` it asks for the size of what it wrote, and whether the name is taken (which may say no: `*`)."""
        server = self._server
        each = [
            "\n".join([
                f'upload-file = "{path}"', f'url = "ftp://{server.host}:{server.port}/.{path.name}.part"',
                *([f'quote = "-SIZE .{path.name}.part"', f'quote = "-*SIZE {path.name}"'] if looks else []),
                f'quote = "-RNFR .{path.name}.part"', f'quote = "-RNTO {path.name}"', *self._always,
            ])
            for path in paths
        ]  # fmt: skip
        config = self._folder / "curl.cfg"
        config.write_text("\nnext\n".join(each) + "\n")
        subprocess.run([need("curl"), "--config", str(config)], check=True, stdout=subprocess.DEVNULL, timeout=300)
