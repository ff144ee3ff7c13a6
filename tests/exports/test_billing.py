"""The checker of the crash tests is right by itself, and finds what is wrong."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.charging.spreading import spread
from portal.core.config import Settings
from tests.exports import billing
from tests.exports.scene import Scene, charge
from tests.source import parsed

HEAD = b"identifier;period_start;energy_kwh\n"
FIRST, SECOND = b"CH-owner-1;2026-03-28T00:00:00+01:00;", b"CH-owner-2;2026-03-28T00:00:00+01:00;"
NEXT_DAY = b"CH-owner-1;2026-03-29T00:00:00+01:00;0.070\nCH-owner-2;2026-03-29T00:00:00+01:00;0.140\n"


def test_it_knows_nothing_of_the_portal() -> None:
    tree = parsed(Path(billing.__file__).read_text())
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert {name.partition(".")[0] for name in named} == {"collections", "datetime", "zoneinfo", "sqlalchemy"}


@pytest.mark.parametrize(
    ("started_at", "ended_at", "shares"),
    [
        ("2026-03-28T22:30Z", "2026-03-28T23:00Z", [("2026-03-28", 1000)]),
        ("2026-03-28T22:30Z", "2026-03-28T23:15Z", [("2026-03-28", 666), ("2026-03-29", 334)]),
        ("2026-03-29T21:45Z", "2026-03-29T22:15Z", [("2026-03-29", 500), ("2026-03-30", 500)]),
    ],
)
def test_a_session_is_shared_among_the_days_of_zurich(
    started_at: str, ended_at: str, shares: list[tuple[str, int]]
) -> None:
    times = (datetime.fromisoformat(started_at), datetime.fromisoformat(ended_at))
    assert list(billing.by_day(*times, 1000)) == shares


def test_the_sessions_are_read_as_they_are_stored(session: Session, settings: Settings, scene: Scene) -> None:
    late = (datetime(2026, 3, 28, 22, 30, tzinfo=UTC), datetime(2026, 3, 28, 23, 15, tzinfo=UTC))
    charge(session, scene.connectors[0], late[0], *(wh for _at, wh in spread(*late, 1000)))
    session.commit()
    expected = {("CH-owner-1", "2026-03-28"): 2166, ("CH-owner-2", "2026-03-28"): 2500}
    assert billing.charged(settings.database_url) == expected | {
        ("CH-owner-1", "2026-03-29"): 404,
        ("CH-owner-2", "2026-03-29"): 140,
    }


@pytest.mark.parametrize(
    "files",
    [
        {"a/x-r0.csv": HEAD + FIRST + b"1.501\n" + SECOND + b"2.500\n" + NEXT_DAY},
        {"a/x-r0.csv": HEAD + FIRST + b"1.500\n" + NEXT_DAY},
        {"a/x-r1.csv": HEAD + FIRST + b"1.5\n", "a/x-r2.csv": HEAD + FIRST + b"0.0\n" + SECOND + b"2.5\n" + NEXT_DAY},
    ],
)
def test_a_wrong_amount_a_missing_meter_and_a_wrong_correction_are_found(
    settings: Settings, scene: Scene, files: dict[str, bytes]
) -> None:
    right = HEAD + FIRST + b"1.500\n" + SECOND + b"2.500\n" + NEXT_DAY
    billing.reckon(settings.database_url, {"a/x-r0.csv": HEAD + FIRST + b"9.9\n", "a/x-r1.csv": right})
    with pytest.raises(AssertionError):
        billing.reckon(settings.database_url, files)
