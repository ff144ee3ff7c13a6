"""Search in stations by a part of their name, reference, address or description: trigram indexes of either database."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.db import among
from portal.stations.models import Station

LONGEST = 100
SHORTEST = 3  # letters of a trigram; fewer are looked for row by row, in names and references only
FEW = 1000  # matches up to which the index decides; more frequent texts are found soon by walking the list

# Letter by letter the expression of the index in the migrations: PostgreSQL uses it for no other.
TEXT: sa.ColumnElement[str] = sa.literal_column(
    "(station.name || ' ' || coalesce(station.reference, '') || ' ' || station.address || ' ' || station.description)",
    sa.Text,
)
SHORT_TEXT: sa.ColumnElement[str] = Station.name + sa.literal(" ") + sa.func.coalesce(Station.reference, "")


def cleaned(text: str | None) -> str:
    """What a person typed into a search field, on one line without control characters, at most 100 characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text or "")
    return " ".join(printable.split())[:LONGEST].strip()


def matching(session: Session, text: str, *, among_few: bool = False) -> sa.ColumnElement[bool]:
    """The condition that a Station contains the cleaned text, in capitals or small letters; true for "".

    Nothing in the text has a meaning of its own: no wildcard, no operator. `among_few`: other conditions leave few
    stations, whose texts PostgreSQL then reads. Left to itself it may take from its index all stations there are with
    that text, which is dear for a frequent one: it guesses how many there are, and often wrongly.
    """
    if not text:
        return sa.true()
    if session.get_bind().dialect.name == "sqlite":
        return _sqlite(session, text)
    long_text = TEXT + sa.literal("") if among_few else TEXT  # another expression than the index's
    return (long_text if len(text) >= SHORTEST else SHORT_TEXT).icontains(text, autoescape=True)


def _sqlite(session: Session, text: str) -> sa.ColumnElement[bool]:
    if len(text) >= SHORTEST:
        found = _indexed(session, text)
        if len(found) <= FEW:
            return among(session, Station.id, found)
    # LIKE knows capitals of ASCII only, hence both spellings of the other letters.
    column = TEXT if len(text) >= SHORTEST else SHORT_TEXT
    return sa.or_(*(column.contains(spelling, autoescape=True) for spelling in {text.lower(), text.upper()}))


def _indexed(session: Session, text: str) -> Collection[int]:
    """The first ids in the index that match, one more than FEW at most: as a phrase in quotes, so that the text is no
    query language."""
    phrase = '"' + text.replace('"', '""') + '"'
    query = sa.text("SELECT rowid FROM station_search WHERE station_search MATCH :phrase LIMIT :most")
    return session.scalars(query, {"phrase": phrase, "most": FEW + 1}).all()
