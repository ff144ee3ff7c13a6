"""A first proposal for the mapping of a file, from its column names and first rows. Pure.

Everything in it is shown to the user and confirmed; the date order and the time zone are left open.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from portal.charging.date_text import DateOrder, is_missing, read_cell, read_date
from portal.charging.mapping import DurationUnit, EnergyUnit, Mapping
from portal.charging.table_shape import Cell, TableRow


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


_START = _words("""
    start, begin, started, beginn, debut, inizio, starttid, arrival, ankunft, arrivee, arrivo,
    plugin, plug in, einstecken, von, from, ladestart, ladebeginn, startet, connected, transaction
    start
""")
_END = _words("""
    end, ended, stop, ende, fin, fine, slutt, sluttid, departure, abfahrt, depart, partenza,
    plugout, plug out, ausstecken, bis, to, ladeende, finish, disconnected, avsluttet, transaction
    stop
""")
_REGISTER = _words("""
    meter, register, zahlerstand, zahler, compteur, index, contatore, malerstand, reading,
    zaehlerstand, zaehler
""")
_FIELD_WORDS = {
    "external_id": _words("""
        session id, sessionid, transaction id, transactionid, charging id, id, session, transaction,
        transaktion, transaktions id, ladevorgang, vorgangsnummer, session number, id session, id de
        session, numero de session, id sessione, okt id, ladeokt, uuid, cdr id, record id, charge id
    """),
    "connector": _words("""
        connector, connector id, connector number, connector no, anschluss, stecker, plug, outlet,
        socket, prise, connecteur, presa, connettore, kontakt, uttak, port
    """),
    "station": _words("""
        station, station name, station id, charge point, charge point id, chargepoint, charging
        point, charging station, charger, charger id, charge box, evse, evse id, cp id, cp,
        ladestation, ladepunkt, ladesaule, saule, wallbox, borne, borne de recharge, point de
        charge, point de recharge, stazione, colonnina, punto di ricarica, stasjon, ladestasjon,
        lader, ladepunktid, garage id, ccs, location, site, standort, emplacement, parkplatz
    """),
    "energy": _words("""
        energy, energie, energia, energi, kwh, wh, total kwh, el kwh, energy kwh, energy wh,
        consumption, verbrauch, consommation, consumo, forbruk, geladene energie, energie chargee,
        energia erogata, ladet energi, energimengde, energiemenge, charged energy, delivered energy,
        vorschub, bezug, total energy
    """),
    "duration": _words("""
        duration, dauer, duree, durata, varighet, stay, ladedauer, charging time, seconds, sekunden,
        standzeit, charging duration, parking time
    """),
    "driver": _words("""
        driver, user, user id, fahrer, benutzer, nutzer, kunde, customer, conducteur, utilisateur,
        client, utente, conducente, cliente, bruker, sjafor, kunde id, email, e mail, driver id
    """),
    "card": _words("""
        card, rfid, rfid card, card id, id tag, idtag, tag, token, karte, ladekarte, kartennummer,
        carte, badge, scheda, tessera, kort, brikke, uid, auth id
    """),
}
_LETTERS = str.maketrans({"ø": "o", "æ": "ae"})
_UNIT = re.compile(r"\b(kwh|wh)\b")
_TIME_OF_DAY = re.compile(r"\d{1,2}[:.h]\d{2}(:\d{2})?(\s*[AaPp][Mm])?")
_FIGURE = re.compile(r"[+-]?[\d.,:' ]*\d(\s*\w+)?")


def guess(columns: tuple[str, ...], first_rows: Sequence[TableRow], decimal_mark: str = "unclear") -> Mapping:
    """Propose a mapping by names in English, German, French, Italian and Norwegian, checked against values.

    Columns that no name or value speaks for stay open, as do date order and time zone.
    """
    table = _Table([_folded(name) for name in columns], first_rows)
    found: dict[str, Any] = {}
    registers = table.take(_REGISTER, _is_figure, _START), table.take(_REGISTER, _is_figure, _END)
    if None not in registers:
        found |= {"register_start": registers[0], "register_end": registers[1]}
    for edge, words in (("start", _START), ("end", _END)):
        found[edge] = table.take(words, _is_date)
        if found[edge] is not None and not any(_has_time(cell) for cell in table.values[found[edge]]):
            found[f"{edge}_time"] = table.take(words, _is_time)
    for field, words in _FIELD_WORDS.items():
        found[field] = table.take(words, _is_figure if field in ("energy", "duration") else _is_anything)
    found |= _units(table, found)
    mark = decimal_mark if decimal_mark in (".", ",") else "."
    return Mapping(columns=columns, decimal_mark=mark, **found)


class _Table:
    """The columns that are still free, by folded name and first values."""

    def __init__(self, names: list[str], rows: Sequence[TableRow]) -> None:
        self.names = names
        self.values = [
            [row.cells[i] for row in rows if i < len(row.cells) and not is_missing(row.cells[i])]
            for i in range(len(names))
        ]
        self._free = set(range(len(names)))

    def take(self, words: Sequence[str], fits: Callable[[Cell], bool], also: Sequence[str] = ()) -> int | None:
        """The free column whose name agrees best with the words (and has one of `also`), if more than half of its
        values fit: a bad cell is for the report of bad rows, not a reason to leave a column open."""
        best, best_score = None, 0.0
        for i in sorted(self._free):
            score = max(_agreement(self.names[i], word, rank / len(words)) for rank, word in enumerate(words))
            if also and not any(_agreement(self.names[i], word, 0) for word in also):
                continue
            if score > best_score and sum(map(fits, self.values[i])) * 2 > len(self.values[i]):
                best, best_score = i, score
        self._free.discard(-1 if best is None else best)
        return best


def _units(table: _Table, found: dict[str, Any]) -> dict[str, Any]:
    units: dict[str, Any] = {}
    for field, column in (("energy_unit", found.get("energy")), ("register_unit", found.get("register_start"))):
        if column is not None:
            match = _UNIT.search(table.names[column])
            units[field] = EnergyUnit.WH if match and match[1] == "wh" else EnergyUnit.KWH
    if found.get("duration") is not None:
        column = found["duration"]
        units["duration_unit"] = _duration_unit(table.names[column], table.values[column])
    return units


def _duration_unit(name: str, cells: list[Cell]) -> DurationUnit:
    if any(not isinstance(cell, str | int | float) or (isinstance(cell, str) and ":" in cell) for cell in cells):
        return DurationUnit.CLOCK
    words = set(name.split())
    if words & {"h", "hour", "hours", "stunden", "std", "heures", "ore", "timer"}:
        return DurationUnit.HOURS
    if words & {"min", "minute", "minutes", "minuten", "minuti", "minutter"}:
        return DurationUnit.MINUTES
    return DurationUnit.SECONDS


def _agreement(name: str, word: str, rank: float) -> float:
    if name == word:
        return 4 - rank
    if name.startswith(f"{word} "):
        return 2.5 - rank
    return 1.5 - rank if f" {word} " in f" {name} " else 0.0


def _folded(name: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    parted = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", " ", plain)
    return " ".join(re.findall(r"[a-z0-9]+", parted.casefold().translate(_LETTERS)))


def _is_date(cell: Cell) -> bool:
    return any(read_date(cell, order) is not None for order in DateOrder)


def _has_time(cell: Cell) -> bool:
    read = next((found for order in DateOrder if (found := read_cell(cell, order))), None)
    return read is not None and read[0].time() != time(0)


def _is_time(cell: Cell) -> bool:
    if isinstance(cell, str):
        return _TIME_OF_DAY.fullmatch(cell.strip()) is not None
    return isinstance(cell, time | timedelta) or (isinstance(cell, float) and 0 <= cell < 1)


def _is_figure(cell: Cell) -> bool:
    if isinstance(cell, str):
        return _FIGURE.fullmatch(cell.strip()) is not None
    return not isinstance(cell, datetime)


def _is_anything(_cell: Cell) -> bool:
    return True
