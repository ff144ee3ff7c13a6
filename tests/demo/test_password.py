"""The demo's published password opens the demo and nothing else."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.accounts import passwords
from portal.core.config import Settings
from portal.core.errors import RuleBroken
from portal.demo import surroundings
from tests import world


@pytest.fixture
def form(session: Session) -> dict[str, str]:
    """What the holder of a demo account enters."""
    account = world.account(session, "master@demo.example")
    account.password_hash = passwords.hashed(surroundings.PASSWORD)
    session.commit()
    return {"email": account.email, "password": surroundings.PASSWORD}


def test_it_opens_the_demo(app: Flask, settings: Settings, form: dict[str, str]) -> None:
    app.extensions["settings"] = replace(settings, demo=True)
    assert app.test_client().post("/log-in", data=form).status_code == 302


def test_it_is_a_wrong_password_anywhere_else(app: Flask, form: dict[str, str]) -> None:
    answer = app.test_client().post("/log-in", data=form)
    assert answer.status_code == 422
    assert "do not fit together" in answer.text


def test_nobody_can_choose_it() -> None:
    with pytest.raises(RuleBroken, match="knows this one from the demo"):
        passwords.check_strength(surroundings.PASSWORD)
