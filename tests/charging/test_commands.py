"""`flask sessions import`."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Coverage, ImportMapping, SessionImport
from tests import world
from tests.charging.files import GARAGES, HEAD, PERTH, TRONDHEIM, stations

GOOD = b"1;A;13.03.2024 10:00;13.03.2024 11:00;8,5;Ann\n2;A;15.03.2024 10:00;15.03.2024 11:00;2,5;Ben\n"


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example")
    stations(session, row, "A", *GARAGES)
    session.commit()
    return row


def run(app: Flask, *arguments: object) -> Result:
    return app.test_cli_runner().invoke(args=["sessions", "import", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.csv"
    path.write_bytes(HEAD + GOOD)
    return path


def test_it_imports_and_reports(session: Session, owner: Account, app: Flask, file: Path) -> None:
    result = run(app, file, "--owner", owner.email, "--guess", "--time-zone", "Europe/Oslo")
    assert result.exit_code == 0, result.output
    assert "2 rows: 2 sessions added, 11.000 kWh" in result.output
    assert session.scalar(sa.select(sa.func.count()).select_from(ChargingSession)) == 2


def test_the_real_file_of_trondheim_is_read_by_guess(session: Session, owner: Account, app: Flask) -> None:
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("once is enough: its import is tested on both engines")
    result = run(app, TRONDHEIM, "--owner", owner.email, "--guess", "--time-zone", "Europe/Oslo")
    assert result.exit_code == 0, result.output
    assert "6878 rows: 6844 sessions added, 87107.570 kWh" in result.output
    assert "End is missing: 34" in result.output


def test_it_never_guesses_an_order_of_dates(session: Session, owner: Account, app: Flask) -> None:
    result = run(app, PERTH, "--owner", owner.email, "--guess")
    assert result.exit_code == 1
    assert "--date-order iso" in result.output
    assert "--date-order swapped_when_ambiguous" in result.output
    assert "can be read in more than one way" in result.output
    assert session.scalar(sa.select(sa.func.count()).select_from(SessionImport)) == 0


def test_a_saved_mapping_brings_order_and_zone(session: Session, owner: Account, app: Flask, file: Path) -> None:
    run(app, file, "--owner", owner.email, "--guess", "--time-zone", "Europe/Oslo")
    done = session.scalars(sa.select(SessionImport)).one()
    session.add(ImportMapping(account_id=owner.id, name="Mine", mapping={"mapping": done.mapping, "source": "file"}))
    session.commit()
    result = run(app, file, "--owner", owner.email, "--mapping", "Mine")
    assert result.exit_code == 0, result.output
    assert "2 known already" in result.output


def test_the_days_it_covers_can_be_said(session: Session, owner: Account, app: Flask, file: Path) -> None:
    run(app, file, "--owner", owner.email, "--guess", "--covers", "2024-03-01", "2024-03-31")
    row = session.scalars(sa.select(Coverage)).one()
    assert (row.ends_at - row.starts_at).total_seconds() == (31 * 24 - 1) * 3600  # a day of 23 hours in it


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--owner", "nobody@demo.example", "--guess"], "There is no account"),
        (["--owner", "owner@demo.example"], "Say either --guess or --mapping"),
        (["--owner", "owner@demo.example", "--mapping", "Other"], "no mapping of this name"),
        (["--owner", "owner@demo.example", "--guess", "--time-zone", "Mars/Base"], "time_zone"),
    ],
)
def test_it_refuses_in_one_sentence(owner: Account, app: Flask, file: Path, arguments: list[str], words: str) -> None:
    result = run(app, file, *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output


def test_garbage_is_named(owner: Account, app: Flask, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"%PDF-1.7")
    result = run(app, tmp_path / "x.csv", "--owner", owner.email, "--guess")
    assert (result.exit_code, "This is not a table." in result.output) == (1, True)
