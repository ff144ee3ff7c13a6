"""Sees to the programs that the tests start; run before them. As root on Debian it installs what is missing.

FTP servers are not installed but unpacked: Debian lets only one of them stand on a machine, and tests need all.

Standard library only, so that any Python runs it: python tests/install_servers.py
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNPACKED = Path(__file__).parents[1] / ".venv" / "servers"
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by every Debian package before it starts its service


@dataclass(frozen=True)
class Program:
    """A program that tests start: its names, the Debian package that has it, and the tests that need it.

    `unpacked` are packages that are not installed but unpacked below UNPACKED, with `package` among them.
    """

    name: str
    spellings: tuple[str, ...]
    package: str
    tests: str
    unpacked: tuple[str, ...] = ()


PROGRAMS = (
    Program("initdb", ("initdb",), "postgresql", "the tests on PostgreSQL"),
    Program("sshd", ("sshd",), "openssh-server", "the delivery tests against OpenSSH"),
    Program("chromium", ("chromium", "chromium-browser", "google-chrome"), "chromium", "the browser tests"),
    Program("vsftpd", ("vsftpd",), "vsftpd", "the delivery tests against vsftpd", ("vsftpd",)),
    Program(
        "proftpd",
        ("proftpd",),
        "proftpd-core",
        "the delivery tests against ProFTPD",
        ("proftpd-core", "proftpd-mod-crypto"),
    ),
    Program("pure-ftpd", ("pure-ftpd",), "pure-ftpd", "the delivery tests against pure-ftpd", ("pure-ftpd",)),
    Program("curl", ("curl",), "curl", "the benchmark of FTPS"),
)


def find(name: str) -> str | None:
    """The path of a program of PROGRAMS, also where Debian does not put it on the PATH."""
    program = next(program for program in PROGRAMS if program.name == name)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    places = [*map(str, debian), *(str(place) for place in (UNPACKED / "usr/sbin", UNPACKED / "usr/bin"))]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *places])
    found = (shutil.which(spelling, path=path) for spelling in program.spellings)
    return next((where for where in found if where), None)


def main() -> int:
    missing = [program for program in PROGRAMS if not find(program.name)]
    if not missing:
        return 0
    failed = False
    if os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        failed = not install(missing)
        missing = [program for program in missing if not find(program.name)]
    if missing:
        names = ", ".join(program.package for program in missing)
        sys.stdout.write(f"Not installed: {names}. Left out: {', '.join(program.tests for program in missing)}.\n")
    return 1 if failed and os.environ.get("CI") == "true" else 0


def install(programs: list[Program]) -> bool:
    """Whether apt installed or unpacked what holds the programs; none of their services is started."""
    packages = [program.package for program in programs if not program.unpacked]
    unpacked = [package for program in programs for package in program.unpacked]
    with _no_service_starts(), tempfile.TemporaryDirectory() as downloads:
        if not _apt("update") or (packages and not _apt("install", "--no-install-recommends", *packages)):
            return False
        return not unpacked or (_apt("download", *unpacked, cwd=downloads) and _unpack(Path(downloads)))


def _apt(verb: str, *words: str, cwd: str | None = None) -> bool:
    quiet = ["apt-get", "-qq", "--yes", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=60"]
    command = [*quiet, verb, *words]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode != 0:
        sys.stderr.write(f"{' '.join(command)}: {done.stderr.strip()[-500:]}\n")
    return done.returncode == 0


def _unpack(downloads: Path) -> bool:
    """Unpacks the packages of a folder and installs the libraries that they are linked with."""
    libraries = set()
    UNPACKED.mkdir(parents=True, exist_ok=True)
    for file in downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(file), str(UNPACKED)], check=True)
        needs = subprocess.run(
            ["dpkg-deb", "--field", str(file), "Depends"], check=True, capture_output=True, text=True
        )
        libraries |= set(re.findall(r"(?:^|, )(lib[\w.+-]+)", needs.stdout))
    return _apt("install", "--no-install-recommends", *sorted(libraries))


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """A policy that refuses every start while the block runs; the machine's own policy is put back after."""
    kept = POLICY.with_name("policy-rc.d.before-tests")
    had_one = POLICY.exists()
    if had_one:
        POLICY.rename(kept)
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if had_one:
            kept.replace(POLICY)
        else:
            POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
