"""Sees to the programs that the tests start; run before them. As root on Debian it installs what is missing.

Standard library only, so that any Python runs it: python tests/install_servers.py
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")  # asked by every Debian package before it starts its service


@dataclass(frozen=True)
class Program:
    """A program that tests start: its names, the Debian package that has it, and the tests that need it."""

    name: str
    spellings: tuple[str, ...]
    package: str
    tests: str


PROGRAMS = (
    Program("initdb", ("initdb",), "postgresql", "the tests on PostgreSQL"),
    Program("sshd", ("sshd",), "openssh-server", "the delivery tests against OpenSSH"),
    Program("chromium", ("chromium", "chromium-browser", "google-chrome"), "chromium", "the browser tests"),
)


def find(name: str) -> str | None:
    """The path of a program of PROGRAMS, also where Debian does not put it on the PATH."""
    program = next(program for program in PROGRAMS if program.name == name)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *map(str, debian)])
    found = (shutil.which(spelling, path=path) for spelling in program.spellings)
    return next((where for where in found if where), None)


def main() -> int:
    missing = [program for program in PROGRAMS if not find(program.name)]
    if not missing:
        return 0
    failed = False
    if os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        failed = not install([program.package for program in missing])
        missing = [program for program in missing if not find(program.name)]
    if missing:
        names = ", ".join(program.package for program in missing)
        sys.stdout.write(f"Not installed: {names}. Left out: {', '.join(program.tests for program in missing)}.\n")
    return 1 if failed and os.environ.get("CI") == "true" else 0


def install(packages: list[str]) -> bool:
    """Whether apt installed the packages; none of their services is started."""
    quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=60"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    steps = ([*quiet, "update"], [*quiet, "install", "--yes", "--no-install-recommends", *packages])
    with _no_service_starts():
        for step in steps:
            done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.stderr.write(f"{' '.join(step)}: {done.stderr.strip()[-500:]}\n")
                return False
    return True


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
