"""vsftpd, ProFTPD and pure-ftpd for tests, each with TLS on both channels and its own users.

vsftpd and ProFTPD demand that the data channel resumes the TLS session of the control channel, as they do by default.
"""

import atexit
import contextlib
import functools
import getpass
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.install_servers import UNPACKED
from tests.servers.certificates import Authority, Certificate
from tests.servers.processes import Program, folder, free_port, port_answers, running
from tests.servers.requirements import need

KINDS = ("vsftpd", "proftpd", "pure-ftpd")
AUTHORITY = Authority()
_PASSWORD = "s3cret-of-the-tests"


@dataclass(frozen=True)
class FtpServer:
    """A running server. Logins start in `root`; absolute paths are those of the machine."""

    kind: str
    port: int
    username: str
    root: Path
    certificate: Certificate = field(repr=False)
    log: Path
    program: Program = field(repr=False)
    password: str = field(default=_PASSWORD, repr=False)
    authority: str = field(default=AUTHORITY.pem, repr=False)
    host: str = "127.0.0.1"

    @property
    def pid(self) -> int:
        return self.program.pid


@dataclass(frozen=True)
class _Setup:
    home: Path
    port: int
    user: str
    certificate: Path
    implicit: bool
    settings: tuple[str, ...]

    @property
    def root(self) -> Path:
        return self.home / "files"


@contextlib.contextmanager
def run_ftp(
    kind: str,
    *settings: str,
    tls: str = "1.3",
    implicit: bool = False,
    certificate: Certificate | None = None,
    largest_file: int | None = None,
) -> Iterator[FtpServer]:
    """A server of KINDS; `settings` are lines of its configuration, for pure-ftpd options of its command line.

    `tls` is the newest version that it speaks. Of a file it writes `largest_file` bytes at most, and fails then as on
    a full disk.
    """
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    binary = _within_reach(need(kind))
    shown = certificate or AUTHORITY.issue()
    with folder(owner=user) as home:
        setup = _Setup(home, free_port(), user, home / "server.pem", implicit, settings)
        shown.write(setup.certificate)
        setup.root.mkdir()
        for path in (setup.root, setup.certificate):
            _give(path, user)
        (home / "openssl.cnf").write_text(_openssl(tls))
        username, command, runs_as = _SETUPS[kind](setup, binary)
        command = ["env", f"OPENSSL_CONF={home / 'openssl.cnf'}", *command]
        log = home / "log"
        answers: Callable[[], bool] = lambda: port_answers(setup.port)  # noqa: E731
        with running(command, log, answers=answers, user=runs_as, largest_file=largest_file) as program:
            yield FtpServer(kind, setup.port, username, setup.root, shown, log, program)


def _openssl(newest: str) -> str:
    return (
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = limits\n"
        f"[limits]\nMinProtocol = TLSv1.2\nMaxProtocol = TLSv{newest}\n"
    )


def _vsftpd(setup: _Setup, program: str) -> tuple[str, list[str], str | None]:
    (setup.home / "passwords").write_text(_PASSWORD + "\n")
    lines = [
        "listen=YES", f"listen_port={setup.port}", "listen_address=127.0.0.1", "background=NO",
        "run_as_launching_user=YES", "anonymous_enable=YES", "local_enable=NO",
        f"ftp_username={setup.user}", f"anon_root={setup.root}",
        # Anonymous users with a list of passwords: users of its own need PAM and thereby the machine's settings.
        "secure_email_list_enable=YES", f"email_password_file={setup.home / 'passwords'}", "write_enable=YES",
        "anon_upload_enable=YES", "anon_mkdir_write_enable=YES", "anon_other_write_enable=YES", "anon_umask=022",
        "anon_world_readable_only=NO", "ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES",
        "force_anon_data_ssl=YES", f"rsa_cert_file={setup.certificate}", f"implicit_ssl={_yes(setup.implicit)}",
        "ssl_ciphers=HIGH", f"vsftpd_log_file={setup.home / 'transfers'}", "xferlog_enable=YES", "seccomp_sandbox=NO",
        "log_ftp_protocol=YES", *setup.settings,
    ]  # fmt: skip
    path = setup.home / "vsftpd.conf"
    path.write_text("\n".join(lines) + "\n")
    _give(path, setup.user)
    return "anonymous", [program, str(path)], setup.user


def _proftpd(setup: _Setup, program: str) -> tuple[str, list[str], str | None]:
    _write_user(setup)
    _give(setup.home / "users", setup.user)
    account = pwd.getpwnam(setup.user)
    modules = _unpacked() / "usr/lib/proftpd"
    options = ["UseImplicitSSL"] if setup.implicit else []
    lines = [
        *([f"ModulePath {modules}"] if modules.is_dir() else []),
        "LoadModule mod_tls.c", "ServerType standalone", "ServerName tests", "DefaultServer on",
        f"Port {setup.port}", "DefaultAddress 127.0.0.1", "SocketBindTight on", "UseIPv6 off", "UseReverseDNS off",
        f"User {setup.user}", f"Group {grp.getgrgid(account.pw_gid).gr_name}", "AuthOrder mod_auth_file.c",
        f"AuthUserFile {setup.home / 'users'}", "RequireValidShell off", f"PidFile {setup.home / 'pid'}",
        f"ScoreboardFile {setup.home / 'scoreboard'}", f"SystemLog {setup.home / 'system'}", "TransferLog none",
        f"DelayTable {setup.home / 'delays'}", "DelayEngine off", "AllowOverwrite on", "AuthPAM off", "WtmpLog off",
        "MaxInstances 100", "TLSEngine on", "TLSRequired on", f"TLSLog {setup.home / 'tls'}",
        f"TLSRSACertificateFile {setup.certificate}", f"TLSRSACertificateKeyFile {setup.certificate}",
        f"TLSECCertificateFile {setup.certificate}", f"TLSECCertificateKeyFile {setup.certificate}",
        *(f"TLSOptions {option}" for option in options), *setup.settings,
    ]  # fmt: skip
    lines = [line for line in lines if not line.startswith("TLSRSA")]
    path = setup.home / "proftpd.conf"
    path.write_text("\n".join(lines) + "\n")
    _give(path, setup.user)
    return "utility", [program, "--nodaemon", "--config", str(path)], setup.user


def _pure_ftpd(setup: _Setup, program: str) -> tuple[str, list[str], str | None]:
    if os.geteuid() != 0:
        pytest.skip("pure-ftpd starts as root alone, which leaves out the delivery tests against it")
    database = setup.home / "users.pdb"
    line = _write_user(setup).read_text().strip().rpartition(":")[0]
    (setup.home / "users").write_text(line + ":" * 12 + "\n")
    subprocess.run([_tool("pure-pw"), "mkdb", str(database), "-f", str(setup.home / "users")], check=True)
    command = [program, "-S", f"127.0.0.1,{setup.port}", "-l", f"puredb:{database}", "-E", "-H", "-Y"]
    command += ["3", "-2", str(setup.certificate), "-u", "1", "-g", str(setup.home / "pid"), "-f", "none"]
    command += ["-C", "100", "-c", "100", *setup.settings]
    return "utility", command, None


def _within_reach(program: str) -> str:
    return str(_unpacked() / Path(program).relative_to(UNPACKED)) if UNPACKED in Path(program).parents else program


@functools.cache
def _unpacked() -> Path:
    """UNPACKED, or a copy of it while this process lives where a server's user may not enter the clone's folders."""
    if not UNPACKED.is_dir() or all(place.stat().st_mode & 0o001 for place in (UNPACKED, *UNPACKED.parents)):
        return UNPACKED
    copy = tempfile.TemporaryDirectory(prefix="pq-")
    atexit.register(copy.cleanup)
    Path(copy.name).chmod(0o755)
    return Path(shutil.copytree(UNPACKED, Path(copy.name) / "servers", symlinks=True))


def _tool(name: str) -> str:
    """A program that came with a server."""
    found = [place / name for place in (UNPACKED / "usr/sbin", UNPACKED / "usr/bin") if (place / name).exists()]
    return str(found[0]) if found else name


def _write_user(setup: _Setup) -> Path:
    """A password file with one user, by ProFTPD's own tool; its hash is quick, unlike those of pure-ftpd's."""
    account = pwd.getpwnam(setup.user)
    make = [_tool("ftpasswd"), "--passwd", "--stdin", "--name=utility", f"--uid={account.pw_uid}"]
    make += [f"--gid={account.pw_gid}", f"--home={setup.root}", "--shell=/bin/sh", f"--file={setup.home / 'users'}"]
    subprocess.run([*make, "--sha512"], input=_PASSWORD, text=True, check=True, capture_output=True, cwd=setup.home)
    return setup.home / "users"


_SETUPS: dict[str, Callable[[_Setup, str], tuple[str, list[str], str | None]]] = {
    "vsftpd": _vsftpd,
    "proftpd": _proftpd,
    "pure-ftpd": _pure_ftpd,
}


def _yes(answer: bool) -> str:
    return "YES" if answer else "NO"


def _give(path: Path, user: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, user)
