"""What the shell does to every request before a view sees it."""

import io

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("url", ["/log-in?next=%00", "/log-in?%00=a", "/%00"])
def test_an_address_with_nul_is_not_understood(client: FlaskClient, url: str) -> None:
    assert client.get(url).status_code == 400


@pytest.mark.parametrize("data", [{"email": "a\0@x.example"}, {"e\0mail": "a@x.example"}])
def test_a_form_with_nul_is_not_understood(client: FlaskClient, data: dict[str, str]) -> None:
    assert client.post("/log-in", data=data).status_code == 400


def test_a_file_name_with_nul_is_not_understood(client: FlaskClient) -> None:
    assert client.post("/log-in", data={"file": (io.BytesIO(b"a"), "a\0.csv")}).status_code == 400


def test_bytes_that_are_no_text_reach_no_database(client: FlaskClient) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert client.post("/log-in", data=b"email=%ED%A0%80%FF&password=%ED%A0%80", **form).status_code == 422


@pytest.mark.parametrize("url", ["/log-in", "/imports/new", "/stations/create", "/nowhere"])
def test_a_stranger_sends_no_large_bodies(client: FlaskClient, url: str) -> None:
    assert client.post(url, data={"file": (io.BytesIO(bytes(2 << 20)), "a.csv")}).status_code == 413
