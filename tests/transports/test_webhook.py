"""A message to a web server: judged, encrypted, in time, and nothing of the answer but its status."""

import time
from pathlib import Path

import pytest

from portal.transports import UNREACHABLE, DeliveryError
from portal.transports.addresses import Reach
from portal.transports.webhook import place, post
from tests.servers.certificates import self_signed
from tests.servers.web import Listener, listening

HERE = ("127.0.0.0/8",)


def reach(listener: Listener, *networks: str, timeout: float = 5) -> Reach:
    return Reach(networks=networks, ports=(443, listener.port), timeout=timeout)


def test_it_posts_headers_and_body_and_gives_the_status(listener: Listener) -> None:
    assert post(listener.url, {"webhook-id": "msg_1"}, b'{"a":1}', reach(listener, *HERE)) == 204
    ((path, headers, body),) = listener.got
    assert (path, headers["webhook-id"], body) == ("/hook?of=piquet", "msg_1", b'{"a":1}')
    assert headers["host"] == f"127.0.0.1:{listener.port}"


def test_loopback_is_refused_without_the_operators_setting(listener: Listener) -> None:
    with pytest.raises(DeliveryError) as refused:
        post(listener.url, {}, b"", reach(listener))
    assert refused.value.shown == (UNREACHABLE, {})
    assert listener.got == []


def test_a_port_that_is_not_allowed_is_refused(listener: Listener) -> None:
    with pytest.raises(DeliveryError, match="not among the allowed ports"):
        post(listener.url, {}, b"", Reach(networks=HERE, ports=(443,)))


def test_no_redirect_is_followed(listener: Listener) -> None:
    listener.status, listener.location = 307, listener.url
    assert post(listener.url, {}, b"", reach(listener, *HERE)) == 307
    assert len(listener.got) == 1


def test_a_certificate_that_nobody_vouches_for_ends_it(tmp_path: Path) -> None:
    with listening(self_signed(), tmp_path) as listener:
        with pytest.raises(DeliveryError) as refused:
            post(listener.url, {}, b"", reach(listener, *HERE))
        assert (refused.value.step, listener.got) == ("certificate", [])


def test_in_clear_it_goes_to_named_networks_alone(tmp_path: Path) -> None:
    with listening(None, tmp_path) as listener:
        assert post(listener.url, {}, b"", reach(listener, *HERE)) == 204
        public = Reach(networks=("10.0.0.0/8",), ports=(listener.port,))
        with pytest.raises(DeliveryError, match="not allowed"):
            post(listener.url, {}, b"", public)


def test_in_clear_nothing_goes_to_a_public_address() -> None:
    with pytest.raises(DeliveryError, match="by https alone"):
        post("http://1.1.1.1/", {}, b"", Reach(networks=HERE, ports=(80,)))


def test_a_silent_server_is_left_in_time(listener: Listener) -> None:
    listener.silent_for, begun = 3, time.monotonic()
    with pytest.raises(DeliveryError) as ended:
        post(listener.url, {}, b"", reach(listener, *HERE, timeout=0.5))
    assert (ended.value.step, ended.value.permanent) == ("read", False)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("url", [
    "ftp://x.example/", "https://", "https://u:p@x.example/", "https://x.example/#a", "https://x.example/a b",
    "https://x.example/\r\nHost: y", "https://x.example:99999/", "javascript:alert(1)", "", "https://[::1",
])  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        place(url)


def test_a_query_is_kept() -> None:
    where = place("https://x.example/hook?a=b&c=d")
    assert (where.secure, where.host, where.port, where.path) == (True, "x.example", 443, "/hook?a=b&c=d")
