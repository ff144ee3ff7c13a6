"""The week of a connector as a picture: drawn with the page, and anew while the form is filled in."""

from collections.abc import Callable

from flask.testing import FlaskClient

from portal.accounts.models import Account
from portal.stations import opening, week_picture
from portal.stations.opening import DAY, HOLIDAY, Row, Window
from portal.stations.week_picture import Block
from tests.stations.scene import Scene
from tests.stations.test_connector import FORM, WINDOW, path, rows

LogIn = Callable[[Account], FlaskClient]
NIGHT = [Window(0, 1320, 1440, "limited", 3000, 0), Window(1, 0, 360, "limited", 3000, 0)]


def test_each_day_goes_from_midnight_to_midnight_without_gaps() -> None:
    columns = week_picture.columns("public", (4500, 0), NIGHT)
    assert [column.day for column in columns] == list(range(7))
    for column in columns:
        edges = [0, *(block.closes for block in column.blocks)]
        assert [block.opens for block in column.blocks] == edges[:-1]
        assert edges[-1] == DAY


def test_what_no_window_holds_is_the_connectors_own() -> None:
    monday, tuesday = week_picture.columns("public", (4500, 0), NIGHT)[:2]
    assert monday.blocks == [
        Block(0, 1320, "public", 4500, 0, own=True), Block(1320, 1440, "limited", 3000, 0, own=False)
    ]  # fmt: skip
    assert tuesday.blocks[1] == Block(360, 1440, "public", 4500, 0, own=True)


def test_public_holidays_have_a_column_where_they_have_windows() -> None:
    columns = week_picture.columns("private", (0, 0), [Window(HOLIDAY, 0, DAY, "public", 1, 0)])
    assert [column.day for column in columns] == list(range(8))


def test_rows_that_are_wrong_are_left_out_and_said() -> None:
    night = Row("0", "22:00", "23:00", "public", "1")
    made, wrong = opening.readable([night, Row("0", "", "", "public"), night, Row("1", "1:00", "2:00", "public", "1")])
    assert [window.weekday for window in made] == [0, 1]
    assert [str(broken) % broken.params for broken in wrong] == [
        "Row 2: enter times such as 07:30.", "Rows 1 and 3 overlap: 22:00–23:00."
    ]  # fmt: skip


def test_the_page_of_a_connector_shows_its_week(scene: Scene, logged_in: LogIn) -> None:
    logged_in(scene.owner).post(path(scene), data=FORM | rows(WINDOW))
    page = logged_in(scene.display).get(path(scene)).text
    assert page.count('<svg class="week-picture') == 2
    assert "<title>22:00–24:00 Public CHF 0.50 / kWh</title>" in page
    assert "hx-post" not in page[page.index('class="week"') : page.index('id="week-table"')]


def test_it_is_drawn_from_what_is_not_saved_yet(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.manage)
    changed = FORM | {"access": "public"} | rows(WINDOW, WINDOW | {"days": "9"})
    drawn = browser.post(f"{path(scene)}/week", data=changed)
    assert drawn.status_code == 200
    assert "<title>00:00–22:00 Public CHF 0.375 / kWh</title>" in drawn.text
    assert "Row 2: choose a day." in drawn.text
    assert "22:00–24:00 Public" not in browser.get(path(scene)).text


def test_it_is_drawn_for_those_who_may_edit(scene: Scene, logged_in: LogIn) -> None:
    refused = logged_in(scene.display).post(f"{path(scene)}/week", data=FORM)
    assert refused.status_code == 403
    assert logged_in(scene.stranger).post(f"{path(scene)}/week", data=FORM).status_code == 404


def test_the_form_of_a_new_connector_draws_too(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    address = f"/stations/{scene.lonely.id}/connectors"
    assert f'hx-post="{address}/week"' in browser.get(f"{address}/add").text
    assert "22:00–24:00 Public" in browser.post(f"{address}/week", data=FORM | rows(WINDOW)).text
