"""Where connections may go."""

import ipaddress
import socket
import time
from collections.abc import Iterable
from typing import Any

import pytest

from portal.transports import UNREACHABLE, DeliveryError
from portal.transports.addresses import Judged, Reach, dial, is_public, resolve

HOSTILE = (
    "127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "localhost",
    "::1", "[::1]", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::ffff:8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::1", "2001:0:808:808::f5ff:fffe",
    "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.0.1",
    "192.0.0.10", "192.88.99.1", "192.0.2.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "fe80::1", "fe80::1%lo", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "5f00::1",
    "127.0.0.1.", "localhost.", "user@127.0.0.1", "127.0.0.1#x", "127.0.0.1/", "127.0.0.1\n", "127.0.0.1 ",
    "exa mple.org", "a..example", "\\\\server", "x" * 254, "", ".",
)  # fmt: skip


def answering(*addresses: str) -> Any:
    """A resolver that gives these addresses for every name."""

    def resolver(host: str, port: int, **_options: Any) -> Iterable[tuple[Any, ...]]:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            yield family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)[: 4 if ":" in address else 2]

    return resolver


@pytest.mark.parametrize("host", HOSTILE)
def test_it_refuses_every_spelling_of_an_inner_address(host: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        resolve(host, 22, Reach())
    assert refused.value.step == "resolve"
    assert refused.value.private
    assert refused.value.shown == (UNREACHABLE, {})


@pytest.mark.parametrize("address", ["8.8.8.8", "193.5.216.1", "2606:4700::1111", "2a00:1450:400a::5e"])
def test_it_allows_public_addresses(address: str) -> None:
    assert resolve("sftp.utility.example", 22, Reach(), resolver=answering(address))[0].sockaddr[0] == address


@pytest.mark.parametrize("text", ["64:ff9b::808:808", "2002:808:808::1", "::8.8.8.8", "::ffff:8.8.8.8"])
def test_a_translated_address_is_not_public_wherever_it_leads(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


def test_one_inner_answer_condemns_the_name() -> None:
    with pytest.raises(DeliveryError, match=r"10\.0\.0\.7") as refused:
        resolve("sftp.utility.example", 22, Reach(), resolver=answering("8.8.8.8", "10.0.0.7"))
    assert refused.value.permanent


def test_it_asks_once_and_dials_the_address_that_was_judged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answers = [answering("127.0.0.1"), answering("127.0.0.99")]

        def changing_its_mind(*given: Any, **options: Any) -> Any:
            return answers.pop(0)(*given, **options)

        reach = Reach(networks=("127.0.0.1/32",), ports=(port,))
        with dial(resolve("sftp.utility.example", port, reach, resolver=changing_its_mind), reach) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"
    assert len(answers) == 1


def test_small_packets_go_out_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reach = Reach(networks=("127.0.0.0/8",), ports=(listener.getsockname()[1],))
        with dial(resolve("127.0.0.1", reach.ports[0], reach), reach) as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_operator_can_allow_a_network() -> None:
    reach = Reach(networks=("10.20.0.0/16", "fd00:1::/32"))
    assert resolve("10.20.3.4", 22, reach)
    assert resolve("fd00:1::5", 22, reach)
    with pytest.raises(DeliveryError):
        resolve("10.21.3.4", 22, reach)


def test_an_allowed_network_does_not_allow_its_mapped_spelling() -> None:
    with pytest.raises(DeliveryError):
        resolve("::ffff:10.20.3.4", 22, Reach(networks=("10.20.0.0/16",)))


@pytest.mark.parametrize("port", [0, 23, 25, 80, 443, 3306, 6379, 65_536, -1])
def test_it_refuses_ports_that_are_not_listed(port: int) -> None:
    with pytest.raises(DeliveryError, match="not among") as refused:
        resolve("10.20.3.4", port, Reach(networks=("10.20.0.0/16",)))
    assert refused.value.private


def test_a_network_that_cannot_be_read_stops_the_operator_at_once() -> None:
    with pytest.raises(ValueError, match=r"10\.20\.0\.1/16"):
        Reach(networks=("10.20.0.1/16",))


def test_a_name_that_does_not_exist_is_permanent_and_a_resolver_that_is_down_is_not() -> None:
    def failing(code: int) -> Any:
        def resolver(*_given: Any, **_options: Any) -> Iterable[tuple[Any, ...]]:
            raise socket.gaierror(code, "words of the resolver")

        return resolver

    for code, permanent in ((socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)):
        with pytest.raises(DeliveryError, match="words of the resolver") as refused:
            resolve("sftp.utility.example", 22, Reach(), resolver=failing(code))
        assert refused.value.permanent is permanent


def test_a_closed_port_is_private_and_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reach = Reach(networks=("127.0.0.0/8",), ports=(port,))
    with pytest.raises(DeliveryError, match="refused") as failed:
        dial((Judged(socket.AF_INET, ("127.0.0.1", port)),), reach)
    assert (failed.value.step, failed.value.permanent, failed.value.private) == ("connect", False, True)


def test_many_dead_addresses_take_no_longer_than_one() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", port))
    reach = Reach(networks=("127.0.0.0/8",), ports=(port,), timeout=0.3)
    started = time.monotonic()
    with pytest.raises(DeliveryError, match="timed out"):
        dial((Judged(socket.AF_INET, ("127.0.0.1", port)),) * 20, reach)
    assert time.monotonic() - started < 2
    for each in (full, *waiting):
        each.close()
