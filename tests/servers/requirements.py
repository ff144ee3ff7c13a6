"""A program that a test needs: found, or the test is left out with one line that says so."""

import os

import pytest

from tests.install_servers import PROGRAMS, find


def need(name: str) -> str:
    """The path of "initdb", "sshd" or "chromium". Missing it fails with CI=true and skips elsewhere."""
    found = find(name)
    if found:
        return found
    program = next(program for program in PROGRAMS if program.name == name)
    message = f"{name} (Debian: {program.package}) is not installed, which leaves out {program.tests}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
