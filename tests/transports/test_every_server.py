"""The table of the deliveries: every server, every version of TLS, everything that goes well or wrong there."""

import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from portal.transports import DeliveryError, NameTakenError, PeerChangedError, TemporaryGoneError
from portal.transports import session as session_module
from portal.transports.ssh_keys import generate_key_pair
from tests.servers.relay import run_relay
from tests.transports.servers import COLUMNS, FTPS_COLUMNS, Server, connect, probe, run

CONTENT = random.Random(3).randbytes(700_000)


@pytest.fixture(scope="module", params=COLUMNS)
def started(request: pytest.FixtureRequest) -> Iterator[Server]:
    with run(request.param) as server:
        yield server


@pytest.fixture
def server(started: Server) -> Iterator[Server]:
    """The server of the column, with an empty folder."""
    yield started
    started.root.chmod(0o755)
    started.empty()


def deliver(server: Server, name: str = "run.xml", **changes: object) -> None:
    with server.session(**changes) as session:
        session.upload(".run.part", [CONTENT[:300_000], b"", CONTENT[300_000:]], len(CONTENT))
        session.publish(".run.part", name)


def stopped(server: Server, **changes: object) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        deliver(server, **changes)
    return failed.value


def test_a_file_arrives_byte_for_byte_and_under_its_name_only(server: Server) -> None:
    deliver(server)
    assert server.names() == ["run.xml"]
    assert (server.root / "run.xml").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [0, 1, 262_145])
def test_every_size_arrives_whole(server: Server, size: int) -> None:
    with server.session() as session:
        session.upload("a", [CONTENT[:size]] if size else [], size)
        assert session.size("a") == size
    assert (server.root / "a").read_bytes() == CONTENT[:size]


def test_an_existing_name_is_left_alone_and_a_revision_replaces(server: Server) -> None:
    with server.session() as session:
        for content in (b"first", b"second"):
            session.upload(".a.part", [content], len(content))
            if content == b"first":
                session.publish(".a.part", "a.xml")
        with pytest.raises(NameTakenError):
            session.publish(".a.part", "a.xml")
        assert (server.root / "a.xml").read_bytes() == b"first"
        session.publish(".a.part", "a.xml", replace=True)
    assert server.names() == ["a.xml"]
    assert (server.root / "a.xml").read_bytes() == b"second"


def test_a_receiver_that_takes_files_at_once_gets_each_once(server: Server) -> None:
    taken, stop = [], threading.Event()

    def take() -> None:
        while not stop.is_set():
            for path in server.root.glob("[!.]*"):
                taken.append(path.read_bytes())
                path.unlink()
            time.sleep(0.001)

    receiver = threading.Thread(target=take)
    receiver.start()
    try:
        with server.session() as session:
            for number in range(5):
                content = b"%d" % number * 50_000
                session.upload(f".{number}.part", [content], len(content))
                session.publish(f".{number}.part", f"{number}.csv")
                with pytest.raises(TemporaryGoneError):
                    session.publish(f".{number}.part", f"{number}.csv")
    finally:
        time.sleep(0.05)
        stop.set()
        receiver.join()
    assert sorted(taken) == [b"%d" % number * 50_000 for number in range(5)]
    assert server.names() == []


def test_a_session_killed_halfway_is_worth_another_try_that_brings_the_whole_file(server: Server) -> None:
    def killed() -> Iterator[bytes]:
        yield CONTENT[:100_000]
        server.kill_sessions()
        for _ in range(200):
            yield CONTENT

    with pytest.raises(DeliveryError) as failed, server.session() as session:
        session.upload(".run.part", killed(), 100_000 + 200 * len(CONTENT))
    assert (failed.value.step, failed.value.permanent, failed.value.private) == ("write", False, False)
    assert "run.xml" not in server.names()
    deliver(server)
    assert server.names() == ["run.xml"]
    assert (server.root / "run.xml").read_bytes() == CONTENT


@pytest.mark.parametrize("cut", random.Random(5).sample(range(100, 2_500), 3))
def test_a_line_cut_anywhere_is_worth_another_try(server: Server, cut: int) -> None:
    with run_relay(server.port, cut_after=cut) as port:
        try:
            deliver(server, port=port)
        except DeliveryError as error:
            assert not error.permanent, error.message  # noqa: PT017  a late cut hits nothing
    if "run.xml" not in server.names():
        deliver(server)
    assert (server.root / "run.xml").read_bytes() == CONTENT


def test_what_the_source_raises_passes_and_the_session_goes_on(server: Server) -> None:
    def source() -> Iterator[bytes]:
        yield CONTENT
        raise KeyError("the lease is lost")

    with server.session() as session:
        with pytest.raises(KeyError, match="the lease is lost"):
            session.upload(".a", source(), 1_000_000)
        session.discard(".a")
        session.upload("b", [CONTENT], len(CONTENT))
    assert server.names() == ["b"]


def test_a_read_only_directory_is_permanent(server: Server) -> None:
    server.root.chmod(0o555)
    error = stopped(server)
    assert (error.step, error.permanent, error.private) == ("write", True, False)
    assert "server" in error.message


def test_a_missing_directory_is_permanent_and_named(server: Server) -> None:
    error = stopped(server, directory="not/there")
    assert (error.step, error.permanent) == ("directory", True)
    assert "no directory 'not/there'" in error.message


@pytest.mark.parametrize("slash", [False, True])
def test_a_directory_is_made_if_wished_with_and_without_leading_slash(server: Server, slash: bool) -> None:
    directory = f"{server.root}/2026/11" if slash else "2026/11"
    for name in ("a.xml", "b.xml"):
        deliver(server, name, directory=directory, make_directory=True)
    assert sorted(path.name for path in (server.root / "2026" / "11").iterdir()) == ["a.xml", "b.xml"]


def test_temporary_files_in_a_directory_of_their_own(server: Server) -> None:
    changes = {"directory": "in", "temporary_directory": "aside", "make_directory": True}
    with server.session(**changes) as session:
        session.upload("a.part", [CONTENT], len(CONTENT))
        assert [path.name for path in (server.root / "aside").iterdir()] == ["a.part"]
        assert session.holds("a.part")
        session.publish("a.part", "a.xml")
        assert not session.holds("a.part")
    assert (server.root / "in" / "a.xml").read_bytes() == CONTENT


def test_files_written_direct_have_their_name_at_once_and_keep_it(server: Server) -> None:
    with server.session(direct=True) as session:
        session.upload("a.xml", [CONTENT], len(CONTENT))
        assert not session.holds("a.xml")
        session.publish("a.xml", "a.xml")
        session.publish("a.xml", "a.xml")
        session.discard("a.xml")
    assert (server.root / "a.xml").read_bytes() == CONTENT


def test_a_done_file_follows_the_file(server: Server) -> None:
    with server.session(done_suffix=".done") as session:
        session.upload(".a.part", [b"1"], 1)
        assert "a.xml.done" not in server.names()
        session.publish(".a.part", "a.xml")
        assert server.names() == ["a.xml", "a.xml.done"]
        (server.root / "a.xml.done").unlink()
        with pytest.raises(TemporaryGoneError):  # killed between rename and done-file
            session.publish(".a.part", "a.xml")
        assert (server.root / "a.xml.done").read_bytes() == b""
        for name in ("a.xml", "a.xml.done"):
            (server.root / name).unlink()
        with pytest.raises(TemporaryGoneError):  # the receiver has taken both
            session.publish(".a.part", "a.xml")
    assert server.names() == []


def test_many_files_at_once(server: Server) -> None:
    def one(session: object, number: int) -> int:
        session.upload(f".{number}.part", [b"%d" % number], len(str(number)))  # type: ignore[attr-defined]
        session.publish(f".{number}.part", f"{number}.csv")  # type: ignore[attr-defined]
        return number

    with server.session() as session:
        assert session.for_each(one, range(40)) == list(range(40))
    assert {path.name: path.read_bytes() for path in server.root.iterdir()} == {
        f"{number}.csv": b"%d" % number for number in range(40)
    }


def test_a_wrong_secret_is_permanent(server: Server) -> None:

    changes = (
        {"private_key": generate_key_pair("x").private} if server.column.startswith("sshd") else {"password": "wrong"}
    )
    error = stopped(server, **changes)
    assert (error.step, error.permanent, error.private) == ("login", True, False)
    assert "refused the user name" in error.message
    assert server.names() == []


def test_another_key_or_certificate_than_the_confirmed_one_stops_before_the_login(server: Server) -> None:
    pin = "AB:" * 31 + "AB"
    changes = {"host_key_fingerprint": "SHA256:" + "A" * 43}
    error = stopped(server, **(changes if server.column.startswith("sshd") else {"trust": "pin", "pin": pin}))
    assert isinstance(error, PeerChangedError)
    assert error.permanent
    assert error.pinned in error.message
    assert error.seen
    assert error.seen in error.message
    assert "Nothing was sent" in error.message


def test_a_slow_server_is_waited_for(server: Server) -> None:
    with run_relay(server.port, delay=0.05) as port:
        deliver(server, port=port, timeout=3.0)
    assert server.names() == ["run.xml"]


def test_a_server_that_lets_everything_drip_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "GRACE_SECONDS", 0)
    monkeypatch.setattr(session_module, "SLOWEST", 10**12)  # more than any server takes
    error = stopped(server)
    assert (error.step, error.permanent) == ("write", False)
    assert "too slowly" in error.message
    assert "run.xml" not in server.names()


@pytest.mark.parametrize("after", [60, 1_200, 2_000])
def test_a_server_that_goes_silent_is_given_up(server: Server, after: int) -> None:
    started = time.monotonic()
    with run_relay(server.port, freeze_after=after) as port:
        try:
            deliver(server, port=port, timeout=0.5)
        except DeliveryError as error:
            assert not error.permanent, error.message  # noqa: PT017  one that is silent late is through already
            assert "in time" in error.message or "without an answer" in error.message  # noqa: PT017
    assert time.monotonic() - started < 4


def test_a_server_that_accepts_and_never_answers_is_given_up(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = stopped(server, port=mute.getsockname()[1], timeout=0.3)
    assert (error.step, error.permanent) == ("connect", False)
    assert "in time" in error.message


def test_the_disk_is_full(started: Server) -> None:
    """On a server of its own, whose files cannot grow."""
    with run(started.column, largest_file=150_000) as small:
        error = stopped(small)
        assert (error.step, error.permanent) == ("write", False), error.message
        assert "run.xml" not in small.names()
        with connect(small.target()) as session:
            session.upload(".small.part", [b"1"], 1)
            session.publish(".small.part", "small.xml")
        assert "small.xml" in small.names()


def test_a_connection_test_tells_what_the_server_says(server: Server) -> None:
    (server.root / "older.xml").write_text("x")
    steps = {step.name: step for step in probe(server.target())}
    assert all(step.ok for step in steps.values()), steps
    assert steps["directory"].detail == "Open. It holds: older.xml"
    said = {name: " | ".join(step.said) for name, step in steps.items()}
    if server.column == "sshd":
        assert said["connect"].startswith("SSH-2.0-OpenSSH")
        assert said["host_key"] == "aes128-gcm@openssh.com"
    elif server.column in FTPS_COLUMNS:
        assert said["connect"].startswith("220")
        assert server.column.replace(" TLS ", " TLSv").partition(" ")[2] in said["certificate"]
        starts = {"login": "230", "write": "226", "size": "213 50", "rename": "250", "delete": "250"}
        assert {name: said[name][: len(start)] for name, start in starts.items()} == starts
    else:
        assert "SSH-2.0-OpenSSH" in said["host_key"]


def test_a_connection_test_tells_no_more_of_a_full_or_an_empty_directory_than_fits(server: Server) -> None:
    for name in ("empty", "full"):
        (server.root / name).mkdir()
        (server.root / name).chmod(0o777)
    for number in range(2000):
        (server.root / "full" / f"{'long' * 30}-{number}.xml").write_text("")
    empty = {step.name: step for step in probe(server.target(directory="empty"))}
    full = {step.name: step for step in probe(server.target(directory="full"))}
    assert empty["directory"].detail == "Open, and empty."
    assert all(step.ok for step in full.values()), full
    assert full["directory"].detail.endswith(", …")
    assert len(full["directory"].detail) < 350
