"""The list of stations as a page."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from portal.accounts.models import Account
from tests.stations.scene import Scene

LogIn = Callable[[Account], FlaskClient]


def test_the_owner_sees_his(scene: Scene, logged_in: LogIn) -> None:
    page = logged_in(scene.owner).get("/stations").text
    assert "Via Nassa" in page
    assert "Depot" in page
    assert "2 stations" in page


def test_badges_tell_what_the_reader_is(scene: Scene, logged_in: LogIn) -> None:
    for who, word in (("owner", "Owner"), ("administrate", "Managed"), ("manage", "Managed"), ("display", "Viewed")):
        table = logged_in(getattr(scene, who)).get("/stations").text.partition("<tbody>")[2]
        assert f"<span>{word}</span>" in table.partition("</tbody>")[0]


@pytest.mark.parametrize("who", ["stranger", "unlicensed"])
def test_others_are_told_what_to_do_first(scene: Scene, logged_in: LogIn, who: str) -> None:
    page = logged_in(getattr(scene, who)).get("/stations").text
    assert "Via Nassa" not in page
    assert "Add your first station" in page


def test_a_search_without_a_hit_offers_the_way_back(scene: Scene, logged_in: LogIn) -> None:
    assert "No station fits" in logged_in(scene.owner).get("/stations?q=nowhere").text


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=99999999999", "page=x", "show=all", "show=<b>", "group=x", "group=", "q=%1b%ff",
        "q=" + "a" * 5000,
    ],
)  # fmt: skip
def test_nonsense_in_the_address_does_no_harm(scene: Scene, logged_in: LogIn, query: str) -> None:
    assert logged_in(scene.owner).get(f"/stations?{query}").status_code == 200


def test_a_search_goes_on_in_groups_and_sessions(scene: Scene, logged_in: LogIn) -> None:
    page = logged_in(scene.owner).get("/stations?q=Bl2").text
    assert 'href="/station-groups?q=Bl2"' in page
    assert 'href="/sessions?q=Bl2"' in page


def test_a_group_one_may_not_see_is_not_there(scene: Scene, logged_in: LogIn) -> None:
    assert logged_in(scene.stranger).get(f"/stations?group={scene.group.id}").status_code == 404


def test_the_anonymous_are_sent_to_log_in(client: FlaskClient) -> None:
    assert client.get("/stations").status_code == 302
