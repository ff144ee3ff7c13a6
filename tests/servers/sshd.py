"""An OpenSSH server for tests: its own host keys and settings, no account of the machine's used but one to be.

It takes public keys alone. A password would have to be one of the machine's accounts, so logging in with
passwords is tested against the product's own drop box.
"""

import base64
import contextlib
import getpass
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from portal.transports.ssh_keys import fingerprint, generate_key_pair
from tests.servers.processes import Program, folder, free_port, port_answers, running
from tests.servers.requirements import need

_HostKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_MAKERS: dict[str, Callable[[], _HostKey]] = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate,
    "ssh-rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa-sha2-nistp256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


@dataclass(frozen=True)
class Sshd:
    """A running server. Logins start in `root`; `fingerprints` has one per type of host key."""

    port: int
    username: str
    root: Path
    private_key: str = field(repr=False)
    fingerprints: dict[str, str]
    log: Path
    program: Program = field(repr=False)
    host: str = "127.0.0.1"

    @property
    def pid(self) -> int:
        return self.program.pid


@contextlib.contextmanager
def run_sshd(
    *sftp_options: str,
    settings: str = "",
    key_types: tuple[str, ...] = tuple(_MAKERS),
    largest_file: int | None = None,
) -> Iterator[Sshd]:
    """OpenSSH with internal-sftp; `sftp_options` such as ("-P", "posix-rename"), `settings` lines of sshd_config.

    Of a file it writes `largest_file` bytes at most, and fails then as on a full disk.
    As root it runs and logs in as `nobody`, so that file permissions mean something, else as the present user.
    """
    binary = need("sshd")
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    with folder(owner=user) as home:
        pair = generate_key_pair("tests")
        (home / "authorized_keys").write_text(pair.public + "\n")
        fingerprints = {kind: _make_host_key(home / kind, kind, user) for kind in key_types}
        root = home / "files"
        root.mkdir()
        _give(root, user)
        port = free_port()
        (home / "config").write_text(_config(home, port, key_types, sftp_options, settings))
        command, log = [binary, "-D", "-e", "-f", str(home / "config")], home / "log"
        answers: Callable[[], bool] = lambda: port_answers(port)  # noqa: E731
        with running(command, log, answers=answers, user=user, largest_file=largest_file) as program:
            yield Sshd(port, user, root, pair.private, fingerprints, log, program)


def _config(home: Path, port: int, key_types: tuple[str, ...], sftp_options: tuple[str, ...], more: str) -> str:
    lines = [more, *(f"HostKey {home / kind}" for kind in key_types)]  # of a setting given twice the first counts
    lines += [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"AuthorizedKeysFile {home / 'authorized_keys'}",
        "StrictModes no",
        "UsePAM yes",  # else an account without a password counts as locked
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PidFile none",
        "MaxStartups 100",
        f"Subsystem sftp internal-sftp -d {home / 'files'} {' '.join(sftp_options)}",
    ]
    return "\n".join(lines) + "\n"


def _make_host_key(path: Path, kind: str, user: str) -> str:
    key = _MAKERS[kind]()
    form, none = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, none))
    _give(path, user)
    public = serialization.PublicFormat.OpenSSH
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, public)
    return fingerprint(base64.b64decode(line.split()[1]))


def _give(path: Path, user: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, user)
