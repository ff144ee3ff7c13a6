"""Where a reader is sent after logging in: never out of the portal."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.core.urls import inner_path
from tests import world

OUTSIDE = (
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/ /evil.example\0",
)


@pytest.mark.parametrize("target", OUTSIDE)
def test_it_leads_nowhere_else(target: str) -> None:
    assert inner_path(target, "/inside") == "/inside"


@pytest.mark.parametrize("target", [target for target in OUTSIDE if "\x00" not in target])  # NUL is refused: 400
def test_logging_in_leads_to_the_overview_instead(client: FlaskClient, session: Session, target: str) -> None:
    world.account(session, "master@demo.example")
    session.commit()
    form = {"email": "master@demo.example", "password": world.PASSWORD, "next": target}
    assert client.post("/log-in", data=form).location == "/"


@pytest.mark.parametrize("target", ["/", "/stations?q=a&page=2", "/stations/7/edit", "/a#b", "/%C3%A4"])
def test_it_keeps_pages_of_the_portal(target: str) -> None:
    assert inner_path(target, "/otherwise") == target


@pytest.mark.parametrize("target", [None, ""])
def test_nothing_leads_to_the_default(target: str | None) -> None:
    assert inner_path(target, "/otherwise") == "/otherwise"
