"""What a utility would bill, against the raw sessions: by plain SQL and a reading of its own, nothing of the portal."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

ZURICH = ZoneInfo("Europe/Zurich")
SECOND = timedelta(seconds=1)
SESSIONS = """
    SELECT connector.metering_code, charging_session.started_at, charging_session.ended_at, charging_session.energy_wh
    FROM charging_session JOIN connector ON connector.id = charging_session.connector_id
"""
Bills = dict[tuple[str, str], int]  # Wh by metering code and local day; a day without energy is left out


def reckon(database_url: str, contents: Mapping[str, bytes]) -> None:
    """Files by folder and name, of lines *metering code; local day; kWh*, their revision behind -r in the name: the
    latest revision of each meter and day says what its sessions say. No meter is in two folders."""
    sent, wanted = billed(contents), charged(database_url)
    wrong = {key: (sent.get(key, 0), wanted.get(key, 0)) for key in sent | wanted if sent.get(key) != wanted.get(key)}
    assert not wrong, f"Wh sent and charged: {wrong}"


def billed(contents: Mapping[str, bytes]) -> Bills:
    latest: dict[tuple[str, str, str], tuple[int, int]] = {}
    for path, content in contents.items():
        folder, _, name = path.partition("/")
        revision = int(name.removesuffix(".csv").rpartition("-r")[2])
        for line in content.decode().splitlines()[1:]:
            meter, day, energy_kwh = line.split(";")
            key = (folder, meter, day[:10])
            latest[key] = max(latest.get(key, (-1, 0)), (revision, round(float(energy_kwh) * 1000)))
    found = {key[1:]: wh for key, (_revision, wh) in latest.items() if wh}
    assert len(found) == sum(1 for _revision, wh in latest.values() if wh), "a meter is in two folders"
    return found


def charged(database_url: str) -> Bills:
    days = Counter[tuple[str, str]]()
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        for code, started_at, ended_at, energy_wh in connection.execute(sa.text(SESSIONS)):
            for day, wh in by_day(_instant(started_at), _instant(ended_at), int(energy_wh)):
                days[code, day] += wh
    engine.dispose()
    return {key: wh for key, wh in days.items() if wh}


def by_day(started_at: datetime, ended_at: datetime, energy_wh: int) -> Iterator[tuple[str, int]]:
    """The session's share of each local day, its power constant: whole Wh until midnight, the rest afterwards. Sessions
    are of whole quarter hours, and not of no length."""
    length, said = ended_at - started_at, 0
    while started_at < ended_at:
        day = started_at.astimezone(ZURICH).date()
        midnight = datetime.combine(day + timedelta(days=1), time(), ZURICH).astimezone(UTC)
        until = min(midnight, ended_at)
        cumulated = energy_wh * ((length - (ended_at - until)) // SECOND) // (length // SECOND)
        yield day.isoformat(), cumulated - said
        said, started_at = cumulated, until


def _instant(stored: datetime | str) -> datetime:
    """SQLite keeps UTC as text."""
    read = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
