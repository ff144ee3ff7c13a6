"""What browsers keep of the portal's own files, and for how long."""

import re
from urllib.parse import urlsplit

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from portal.core.static_files import FOR_EVER, version


def test_every_file_that_a_page_names_may_be_kept_for_ever(client: FlaskClient) -> None:
    named = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', client.get("/log-in").text))
    assert len(named) > 5
    for address in named:
        assert client.get(address).headers["Cache-Control"] == FOR_EVER, address


@pytest.mark.parametrize(
    ("asked", "kept"), [("", "public, max-age=86400"), ("?v=", "no-cache"), ("?v=0123456789ab", "no-cache")]
)
def test_another_version_is_not_kept(client: FlaskClient, asked: str, kept: str) -> None:
    assert client.get(f"/static/js/piquet.js{asked}").headers["Cache-Control"] == kept


def test_the_address_changes_with_the_content(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> None:
    some = [tmp_path_factory.mktemp("files") / "a.css" for _ in range(3)]
    for path, text in zip(some, ("a", "b", "a"), strict=True):
        path.write_text(text)
    versions = [version(path) for path in some]
    assert (versions[0] == versions[2], versions[0] == versions[1]) == (True, False)
    with app.test_request_context():
        address = urlsplit(url_for("static", filename="js/piquet.js"))
    assert re.fullmatch("v=[0-9a-f]{12}", address.query)


@pytest.mark.parametrize("name", ["none.js", "../wsgi.py", "%2e%2e/wsgi.py"])
def test_what_is_not_there_is_not_there(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/static/{name}?v=0")
    assert (answer.status_code, answer.headers.get("Cache-Control")) == (404, None)
