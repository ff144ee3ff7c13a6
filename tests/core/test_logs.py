"""One log format, without noise and without what opens an account."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from portal.core import logs
logs.set_up()
{}
"""
TOKEN = "WzEsIjA3ZjQiLCIiXQ.aSKrJg.R4nd0mS1gnatureR4nd0mS1gnatureR4nd0m"


def logged(lines: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(lines)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_a_line_says_when_how_bad_and_where() -> None:
    line = logged('logging.getLogger("portal.exports").warning("run %s waits", 7)')
    stamp, level, place, message = line.split(" ", 3)
    assert (len(stamp), stamp[-1], level, message) == (20, "Z", "WARNING", "run 7 waits\n")
    assert place.startswith("portal.exports[")


@pytest.mark.parametrize("where", [f"/reset/{TOKEN}", f"https://piquet.example/set-up/{TOKEN}", f"?token={TOKEN}"])
def test_links_are_masked(where: str) -> None:
    line = logged(f'logging.getLogger("portal").error("Exception on {where} [GET]")')
    assert TOKEN not in line
    assert "*** [GET]" in line


def test_nobody_writes_lines_of_his_own() -> None:
    text = logged(r'logging.error("Exception on %s [GET]", "/\n2026-11-23T06:47:27Z CRITICAL all is lost\x1b[2J")')
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_links_in_tracebacks_are_masked_too() -> None:
    text = logged(f'try:\n  raise ValueError("/verify/{TOKEN}")\nexcept ValueError: logging.exception("it failed")')
    assert "ValueError: /verify/***" in text
    assert TOKEN not in text


def test_noise_is_left_out_and_errors_are_not() -> None:
    quiet = ['getLogger("gunicorn.error").info', 'getLogger("rq.worker").info', 'getLogger("alembic").info']
    quiet.append('getLogger("paramiko.transport").error')
    assert logged("\n".join(f'logging.{each}("x")' for each in quiet)) == ""
    assert logged('logging.getLogger("gunicorn.error").error("x")\nlogging.getLogger("rq.worker").error("x")').count(
        "\n"
    ) == 2  # fmt: skip
