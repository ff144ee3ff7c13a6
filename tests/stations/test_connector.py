"""The page of a connector: one address to look at and to change."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.stations.models import Connector
from tests.accounts.post import shown
from tests.stations.scene import Scene

LogIn = Callable[[Account], FlaskClient]
FORM = {
    "plug_type": "ccs",
    "max_power_kw": "150,5",
    "access": "limited",
    "price_per_kwh": "0.375",
    "price_per_hour": "",
}
WINDOW = {"days": "0", "opens": "22:00", "closes": "06:00", "access": "public", "price_per_kwh": "0.5"}


def path(scene: Scene) -> str:
    return f"/connectors/{scene.connector.id}"


def rows(*windows: dict[str, str]) -> dict[str, str]:
    return {f"opening_times-{n}-{key}": value for n, row in enumerate(windows) for key, value in row.items()}


def controls(page: str) -> list[str]:
    """The fields of the page's content that carry a value."""
    main = page[page.index("<main") : page.index("</main>")]
    return [tag for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", main) if 'type="hidden"' not in tag]


@pytest.mark.parametrize("who", ["owner", "administrate", "manage"])
def test_it_saves_what_is_right(session: Session, scene: Scene, logged_in: LogIn, who: str) -> None:
    browser = logged_in(getattr(scene, who))
    assert browser.get(path(scene)).status_code == 200
    assert browser.post(path(scene), data=FORM | rows(WINDOW, {"days": ""})).location == path(scene)
    connector = session.get(Connector, scene.connector.id, populate_existing=True)
    assert (connector.max_power_w, connector.price_per_kwh, connector.access) == (150_500, 3750, "limited")
    assert [(t.weekday, t.opens, t.closes) for t in connector.opening_times] == [(0, 1320, 1440), (1, 0, 360)]


def test_display_sees_every_field_disabled_and_may_not_send_them(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    browser = logged_in(scene.display)
    answer = browser.get(path(scene))
    assert answer.status_code == 200
    assert len(controls(answer.text)) >= 12
    assert all("disabled" in control for control in controls(answer.text))
    assert "Display stations" in answer.text
    assert "ask the owner, Owner" in answer.text
    assert browser.post(path(scene), data=FORM).status_code == 403
    assert session.get(Connector, scene.connector.id, populate_existing=True).price_per_kwh == 0


def test_no_field_is_disabled_for_who_may_edit(scene: Scene, logged_in: LogIn) -> None:
    found = controls(logged_in(scene.manage).get(path(scene)).text)
    assert not any("disabled" in control for control in found)


@pytest.mark.parametrize("who", ["stranger", "unlicensed"])
def test_it_is_not_there_for_others(scene: Scene, logged_in: LogIn, who: str) -> None:
    browser = logged_in(getattr(scene, who))
    for answer in (browser.get(path(scene)), browser.post(path(scene), data=FORM)):
        assert answer.status_code == 404
    gone = "/connectors/99999"
    assert shown(browser.get(path(scene))).replace(path(scene), "") == shown(browser.get(gone)).replace(gone, "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price_per_kwh", "-1"), ("price_per_kwh", "NaN"), ("price_per_kwh", "1e9"), ("price_per_hour", "0.00001"),
        ("max_power_kw", "0"), ("max_power_kw", "9" * 50), ("plug_type", "nema"), ("access", "everyone"),
        ("metering_code", "x" * 81), ("factory_no", "a\x1bb"),
    ],
)  # fmt: skip
def test_it_shows_the_error_and_loses_nothing_typed(scene: Scene, logged_in: LogIn, field: str, value: str) -> None:
    browser = logged_in(scene.owner)
    answer = browser.post(path(scene), data=FORM | {"internal_no": "typed before"} | {field: value})
    assert answer.status_code == 422
    assert f'href="#{field}' in answer.text
    assert "typed before" in answer.text


def test_an_overlap_is_shown_and_the_rows_stay(scene: Scene, logged_in: LogIn) -> None:
    answer = logged_in(scene.owner).post(path(scene), data=FORM | rows(WINDOW, WINDOW | {"opens": "23:00"}))
    assert answer.status_code == 422
    assert "Rows 1 and 2 overlap: 23:00–24:00" in answer.text
    assert answer.text.count('value="06:00"') == 2


def test_a_row_is_removed_by_its_box(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    browser.post(path(scene), data=FORM | rows(WINDOW))
    browser.post(path(scene), data=FORM | rows(WINDOW | {"remove": "y"}))
    assert session.get(Connector, scene.connector.id, populate_existing=True).opening_times == []


def test_saving_the_page_as_it_is_changes_nothing(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    browser.post(path(scene), data=FORM | rows(WINDOW))
    before = browser.get(path(scene)).text
    times = re.findall(r'name="(opening_times-\d-(?:opens|closes))" type="time" value="([^"]+)"', before) or re.findall(
        r'name="(opening_times-\d-(?:opens|closes))"[^>]*value="([^"]+)"', before
    )
    days = re.findall(r'name="(opening_times-\d-days)".*?<option selected value="(\d)"', before, re.DOTALL)
    same = {"opening_times-0-access": "public", "opening_times-1-access": "public"}
    same |= {"opening_times-0-price_per_kwh": "0.50", "opening_times-1-price_per_kwh": "0.50"}
    assert browser.post(path(scene), data=FORM | dict(times) | dict(days[:2]) | same).status_code == 302
    assert controls(browser.get(path(scene)).text) == controls(before)


def test_a_strange_swiss_metering_code_is_saved_with_a_warning(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    saved = browser.post(path(scene), data=FORM | {"metering_code": "CH123"}, follow_redirects=True)
    assert "CH and 31 digits, capital letters or hyphens" in saved.text
    assert 'value="CH123"' in saved.text


def test_text_is_never_markup(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    browser.post(path(scene), data=FORM | {"factory_no": '"><script>alert(1)</script>'})
    assert "<script>alert" not in browser.get(path(scene)).text


def test_the_owner_adds_a_connector(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    add = f"/stations/{scene.lonely.id}/connectors/add"
    assert browser.get(add).status_code == 200
    assert browser.post(add, data=FORM | {"price_per_kwh": "-1"}).status_code == 422
    assert browser.post(add, data=FORM).location == f"/stations/{scene.lonely.id}"
    assert "Connector 2" in browser.get(f"/stations/{scene.lonely.id}").text


def test_the_owner_removes_a_connector_after_a_look_at_the_consequences(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    browser = logged_in(scene.owner)
    assert "cannot be undone" in browser.get(f"{path(scene)}/remove").text
    assert browser.post(f"{path(scene)}/remove").location == f"/stations/{scene.station.id}"
    assert browser.get(path(scene)).status_code == 404


@pytest.mark.parametrize(("who", "code"), [("manage", 403), ("display", 403), ("stranger", 404), ("unlicensed", 404)])
def test_others_add_and_remove_nothing(scene: Scene, logged_in: LogIn, who: str, code: int) -> None:
    browser = logged_in(getattr(scene, who))
    for address in (f"{path(scene)}/remove", f"/stations/{scene.station.id}/connectors/add"):
        assert browser.get(address).status_code == browser.post(address, data=FORM).status_code == code


def test_its_charging_sessions_are_those_of_its_station(scene: Scene, logged_in: LogIn) -> None:
    link = f'href="/sessions?station={scene.station.id}"'
    browser = logged_in(scene.owner)
    assert link in browser.get(f"/connectors/{scene.station.connectors[0].id}").text
    assert link in browser.get(f"/stations/{scene.station.id}").text
