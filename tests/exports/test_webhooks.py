"""Webhooks: written with what they tell of, signed, sent once by whoever claims them, tried again, shown."""

import base64
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.charging import changes
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.core.config import Settings
from portal.core.errors import RuleBroken
from portal.core.vault import Vault
from portal.exports import notices, operations, webhooks
from portal.exports.models import ExportNotice, ExportRun, WebhookMessage
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import BEGINS_AT, Scene, charge, plan, runs, wake
from tests.servers.web import Listener

GUIDE = Path(__file__).parents[2] / "docs" / "auto-export.md"
LogIn = Callable[[Account], FlaskClient]
Work = Callable[[], int]


@pytest.fixture
def secret(session: Session, scene: Scene, vault: Vault, listener: Listener) -> str:
    """The secret of the owner's webhook."""
    made = notices.set_webhook(session, vault, scene.owner, listener.url)
    session.commit()
    return made


@pytest.fixture
def allowing(settings: Settings, listener: Listener) -> Settings:
    return replace(settings, delivery_allowed_ports=(*settings.delivery_allowed_ports, listener.port))


@pytest.fixture
def send(session: Session, sessions: Sessions, allowing: Settings, vault: Vault) -> Work:
    def sending() -> int:
        session.commit()
        return webhooks.send_due(sessions, allowing, vault)

    return sending


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


def messages(session: Session) -> list[WebhookMessage]:
    session.commit()
    found = session.scalars(
        sa.select(WebhookMessage).order_by(WebhookMessage.id).execution_options(populate_existing=True)
    )
    return list(found)


def events(session: Session) -> list[str]:
    return [message.event for message in messages(session)]


def test_deliveries_are_told_signed_as_standard_webhooks_do(
    session: Session, scene: Scene, secret: str, listener: Listener, work: Work, send: Work
) -> None:
    plan(session)
    work()
    assert send() == 2
    assert [(message.state, message.answer) for message in messages(session)] == [("sent", "HTTP 204")] * 2
    _, headers, body = listener.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told, run = json.loads(body), runs(session)[0]
    assert told["type"] == "export.delivered"
    assert told["data"]["period"] == {"first_day": "2026-03-28", "last_day": "2026-03-28"}
    assert told["data"]["files"] == [{"name": run.files[0].name, "size": run.size, "sha256": run.files[0].sha256}]
    assert told["data"]["energy_wh"] == run.energy_wh


def test_the_check_of_the_guide_takes_what_is_sent_and_nothing_else(
    session: Session, scene: Scene, secret: str, listener: Listener, work: Work, send: Work
) -> None:
    plan(session)
    work()
    send()
    _, headers, body = listener.got[0]
    lines = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    guide: dict[str, Any] = {}
    exec(lines[0], guide)  # its own lines, as its readers run them
    is_genuine = guide["is_genuine"]
    assert is_genuine(secret, headers, body)
    assert not is_genuine(secret, headers, body + b" ")
    assert not is_genuine(webhooks.new_secret(), headers, body)
    assert not is_genuine(secret, {**headers, "webhook-timestamp": "1700000000"}, body)


def test_failure_pause_and_recovery_are_told(session: Session, scene: Scene, secret: str, work: Work) -> None:
    plan(session)
    port, scene.destination.port, scene.task.pause_after = scene.destination.port, 1, 2  # a port that is not allowed
    work()
    wake(session)
    work()
    assert events(session) == ["export.failed", "export.paused", "export.failed"]
    scene.destination.port = port
    session.refresh(scene.task)
    operations.resume(session, scene.owner, scene.task)
    work()
    assert events(session)[3:] == ["export.recovered", "export.delivered", "export.delivered"]


def test_a_correction_is_told_without_its_meters(session: Session, scene: Scene, secret: str, work: Work) -> None:
    plan(session)
    work()
    at = BEGINS_AT + timedelta(hours=10)
    charge(session, scene.connectors[0], at, 250)
    changes.note(session, [(scene.connectors[0].id, at, at + timedelta(minutes=15))])
    plan(session)
    last = messages(session)[-1]
    assert last.event == "export.correction"
    assert json.loads(last.body)["data"]["difference_wh"] == 250
    assert "Centro" not in last.body


def test_without_a_webhook_nothing_is_written(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    assert messages(session) == []


def test_what_is_rolled_back_was_never_told(session: Session, scene: Scene, secret: str) -> None:
    plan(session)
    webhooks.note(session, session.scalars(sa.select(ExportRun)).first() or ExportRun(), "delivered")
    session.rollback()
    assert messages(session) == []


def test_loopback_is_refused_without_the_setting(
    session: Session,
    scene: Scene,
    secret: str,
    listener: Listener,
    sessions: Sessions,
    allowing: Settings,
    vault: Vault,
) -> None:
    notices.send_test(session, scene.owner)
    session.commit()
    assert webhooks.send_due(sessions, replace(allowing, delivery_allowed_networks=()), vault) == 1
    (message,) = messages(session)
    assert (message.state, message.failures, listener.got) == ("due", 1, [])
    assert "127.0.0.1" not in message.answer


def test_a_failure_is_tried_again_ten_times_and_holds_back_the_others(
    session: Session, scene: Scene, secret: str, listener: Listener, send: Work
) -> None:
    listener.status = 500
    notices.send_test(session, scene.owner)
    notices.send_test(session, scene.owner)
    assert send() == 1
    first, second = messages(session)
    assert (first.failures, second.failures, first.answer) == (1, 0, "HTTP 500")
    assert 40 < (first.not_before - clock.now()).total_seconds() < 80
    assert second.not_before == first.not_before
    session.execute(sa.update(WebhookMessage).where(WebhookMessage.id == first.id).values(failures=9))
    session.execute(sa.update(WebhookMessage).values(not_before=clock.now() - timedelta(seconds=1)))
    send()
    assert [message.state for message in messages(session)] == ["failed", "due"]


def test_the_page_says_when_a_message_that_is_held_back_goes(
    session: Session, scene: Scene, secret: str, listener: Listener, send: Work, logged_in: LogIn
) -> None:
    listener.status = 500
    notices.send_test(session, scene.owner)
    notices.send_test(session, scene.owner)
    send()
    page = logged_in(scene.owner).get("/exports/notices").text
    assert (page.count("next on"), page.count("HTTP 500")) == (2, 1)


def test_a_resent_message_has_the_same_id_and_a_new_signature(
    session: Session, scene: Scene, secret: str, listener: Listener, send: Work
) -> None:
    notices.send_test(session, scene.owner)
    send()
    notices.send_again(session, scene.owner, messages(session)[0])
    send()
    assert len({headers["webhook-id"] for _, headers, _ in listener.got}) == 1
    assert len(listener.got) == 2


def test_two_processes_never_send_one_at_the_same_time(session: Session, scene: Scene, secret: str, send: Work) -> None:
    notices.send_test(session, scene.owner)
    session.commit()
    claimed, _ = webhooks._claim(session)
    session.commit()
    assert claimed is not None
    assert webhooks._claim(session) == (None, None)
    assert send() == 0


def test_a_lost_lease_is_sent_again(
    session: Session, scene: Scene, secret: str, listener: Listener, send: Work
) -> None:
    notices.send_test(session, scene.owner)
    session.commit()
    webhooks._claim(session)
    session.execute(sa.update(WebhookMessage).values(not_before=clock.now() - timedelta(seconds=1)))
    assert (send(), len(listener.got)) == (1, 1)


def test_who_removes_it_gets_nothing_more(
    session: Session, scene: Scene, secret: str, listener: Listener, send: Work
) -> None:
    notices.send_test(session, scene.owner)
    notices.remove_webhook(session, scene.owner)
    assert (send(), messages(session), listener.got) == (0, [], [])
    with pytest.raises(RuleBroken, match="no webhook"):
        notices.send_test(session, scene.owner)


def test_old_messages_are_forgotten(session: Session, scene: Scene, secret: str, send: Work) -> None:
    notices.send_test(session, scene.owner)
    send()
    links = Links("key", "https://piquet.example")
    assert webhooks.forget(session, links) == 0
    session.execute(sa.update(WebhookMessage).values(not_before=clock.now() - timedelta(days=31)))
    assert webhooks.forget(session, links) == 1


def test_the_page_shows_the_secret_once_and_the_answers(
    session: Session, scene: Scene, listener: Listener, send: Work, logged_in: LogIn
) -> None:
    browser = logged_in(scene.owner)
    page = browser.post("/exports/notices/webhook", data={"webhook_url": listener.url}).text
    found = re.search(r"whsec_[\w+/=]+", page)
    assert found
    assert "whsec_" not in browser.get("/exports/notices").text
    assert browser.post("/exports/notices/webhook", data={"webhook_url": listener.url}).status_code == 302
    browser.post("/exports/notices/webhook/test")
    send()
    assert "HTTP 204" in browser.get("/exports/notices").text
    again = browser.post("/exports/notices/webhook/secret").text
    assert re.findall(r"whsec_[\w+/=]+", again)[0] != found[0]


def test_of_the_address_the_page_shows_the_host_alone(
    scene: Scene, secret: str, listener: Listener, logged_in: LogIn
) -> None:
    browser = logged_in(scene.owner)
    page = browser.get("/exports/notices").text
    assert f"Messages go to {urlsplit(listener.url).hostname}." in page
    assert "of=piquet" not in page
    browser.post("/exports/notices/webhook/remove")
    assert "Messages go to" not in browser.get("/exports/notices").text


def test_an_address_that_keys_do_not_open_says_so(session: Session, scene: Scene, secret: str, send: Work) -> None:
    session.execute(sa.update(ExportNotice).values(sealed_webhook_url="gAAAAA"))
    notices.send_test(session, scene.owner)
    assert send() == 1
    assert messages(session)[0].answer == webhooks.NO_ADDRESS


def test_the_secret_is_in_no_row_log_or_message(
    session: Session, scene: Scene, secret: str, send: Work, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    notices.send_test(session, scene.owner)
    send()
    row = session.get_one(ExportNotice, scene.owner.id)
    kept = [row.sealed_webhook_secret, row.sealed_webhook_url]
    kept += [message.body + message.answer for message in messages(session)]
    kept += [str(entry.detail) for entry in session.scalars(sa.select(AuditEntry))]
    assert secret.removeprefix("whsec_") not in " ".join(map(str, kept)) + caplog.text
    assert "of=piquet" not in " ".join(map(str, [*kept, row.webhook_host])) + caplog.text


@pytest.mark.parametrize("url", ["ftp://x.example", "https://me:word@x.example/", "x.example", "https://x.example/#x"])
def test_what_is_no_address_is_refused_at_the_field(scene: Scene, logged_in: LogIn, url: str) -> None:
    answer = logged_in(scene.owner).post("/exports/notices/webhook", data={"webhook_url": url})
    assert answer.status_code == 422
    assert "Enter the address of a web server" in answer.text


def test_a_stranger_sends_nobodys_message_again(session: Session, scene: Scene, secret: str, logged_in: LogIn) -> None:
    notices.send_test(session, scene.owner)
    browser, message_id = logged_in(world.account(session, "stranger@demo.example")), messages(session)[0].id
    session.commit()
    assert browser.post(f"/exports/notices/messages/{message_id}/send-again").status_code == 404


def test_new_keys_seal_its_secret_and_address_too(
    session: Session, scene: Scene, secret: str, settings: Settings, listener: Listener
) -> None:
    newer = Vault(("bmV3a2V5bmV3a2V5bmV3a2V5bmV3a2V5bmV3a2V5bmU=", *settings.vault_keys))
    assert notices.seal_anew(session, newer) == (1, [])
    session.expire_all()
    token = session.get_one(ExportNotice, scene.owner.id).sealed_webhook_secret or ""
    only = Vault(("bmV3a2V5bmV3a2V5bmV3a2V5bmV3a2V5bmV3a2V5bmU=",))
    assert only.open(webhooks.place(scene.owner.id), token.encode()) == secret
    url = session.get_one(ExportNotice, scene.owner.id).sealed_webhook_url or ""
    assert only.open(webhooks.place_of_url(scene.owner.id), url.encode()) == listener.url


def test_a_secret_renewed_while_keys_change_stays(
    session: Session, scene: Scene, secret: str, vault: Vault, settings: Settings
) -> None:
    renewed: list[str] = []

    class Slow(Vault):
        def rotate(self, token: bytes) -> bytes:
            if not renewed:  # the owner is quicker, between the look and the write
                renewed.append(notices.renew_secret(session, vault, scene.owner))
                session.flush()
            return super().rotate(token)

    assert notices.seal_anew(session, Slow(settings.vault_keys)) == (1, [])
    session.expire_all()
    token = session.get_one(ExportNotice, scene.owner.id).sealed_webhook_secret or ""
    assert vault.open(webhooks.place(scene.owner.id), token.encode()) == renewed[0] != secret
