"""What a station shows, as a truth table."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import pytest

from portal.core import clock
from portal.stations import states
from portal.stations.models import ConnectorState
from portal.stations.states import DisplayState

NOW = clock.now()
FRESH, STALE = NOW - timedelta(minutes=15), NOW - timedelta(minutes=15, seconds=1)


class Reported(NamedTuple):
    state: str | None
    state_at: object = FRESH
    out_of_service: bool = False


@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        (Reported("available"), "available"),
        (Reported("preparing"), "connected"),
        (Reported("charging"), "occupied"),
        (Reported("suspended_evse"), "connected"),
        (Reported("suspended_ev"), "connected"),
        (Reported("finishing"), "connected"),
        (Reported("reserved"), "occupied"),
        (Reported("unavailable"), "out_of_service"),
        (Reported("faulted"), "out_of_service"),
        (Reported(None, None), "no_live_connection"),
        (Reported("available", STALE), "out_of_service"),
        (Reported("charging", None), "out_of_service"),
        (Reported("available", out_of_service=True), "out_of_service"),
        (Reported(None, None, out_of_service=True), "out_of_service"),
    ],
)
def test_a_connector_shows(reported: Reported, shown: str) -> None:
    assert states.of_connector(reported, NOW) == shown


@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        ([], "no_live_connection"),
        (["charging", "available"], "available"),
        (["preparing", "charging"], "occupied"),
        (["faulted", "preparing"], "connected"),
        ([None, "faulted"], "no_live_connection"),
        (["faulted", "unavailable"], "out_of_service"),
    ],
)
def test_a_station_shows_its_best_connector(reported: Sequence[str | None], shown: str) -> None:
    assert states.of_station([Reported(state) for state in reported], NOW) == shown


def test_every_reported_state_has_a_shown_one() -> None:
    assert all(states.of_connector(Reported(state), NOW) in DisplayState for state in ConnectorState)
