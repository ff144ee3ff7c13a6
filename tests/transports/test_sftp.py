"""Files to a real OpenSSH server."""

import hashlib
import random
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.transports import DeliveryError, NameTakenError, TemporaryGoneError
from portal.transports.paths import remote_directory, remote_path
from portal.transports.session import Session
from portal.transports.sftp import SftpTarget, connect
from tests.servers.relay import run_relay
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.targets import on_sshd

CONTENT = random.Random(7).randbytes(300_000)


@pytest.fixture
def folder(sshd: Sshd) -> Iterator[Path]:
    """The login directory, emptied afterwards."""
    yield sshd.root
    for path in sshd.root.iterdir():
        path.unlink()


@pytest.fixture
def session(sshd: Sshd, folder: Path) -> Iterator[Session]:
    with connect(on_sshd(sshd)) as session:
        yield session


def put(session: Session, name: str, content: bytes = CONTENT) -> None:
    session.upload(name, [content], len(content))


def deliver(target: SftpTarget) -> None:
    with connect(target) as session:
        put(session, "a.part")
        session.publish("a.part", "run.xml")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_byte_for_byte_and_under_its_name_only(session: Session, folder: Path) -> None:
    session.upload(".run.part", [CONTENT[:100_000], b"", CONTENT[100_000:], b""], len(CONTENT))
    assert names(folder) == [".run.part"]
    session.publish(".run.part", "run.xml")
    assert names(folder) == ["run.xml"]
    assert (folder / "run.xml").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [0, 1, 32_767, 32_768, 32_769, 999_999, 1_000_000, 2_500_001])
def test_every_size_arrives_whole(session: Session, folder: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    put(session, "a", content)
    assert session.size("a") == size
    assert (folder / "a").read_bytes() == content


def test_an_earlier_longer_half_is_written_over(session: Session, folder: Path) -> None:
    put(session, "a", b"long and old")
    put(session, "a", b"new")
    assert (folder / "a").read_bytes() == b"new"


def test_a_large_file_takes_little_memory(session: Session, folder: Path) -> None:
    chunk, count, digest = random.Random(1).randbytes(1 << 20), 40, hashlib.sha256()
    tracemalloc.start()
    session.upload("a", (chunk for _ in range(count)), count << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for _ in range(count):
        digest.update(chunk)
    assert peak < 6 << 20
    assert hashlib.sha256((folder / "a").read_bytes()).digest() == digest.digest()


def test_a_file_of_another_size_than_announced_is_an_error(session: Session) -> None:
    with pytest.raises(DeliveryError, match="has 300000 bytes") as failed:
        session.upload("a", [CONTENT], len(CONTENT) + 1)
    assert failed.value.step == "size"


def test_what_the_source_raises_passes_and_the_session_goes_on(session: Session, folder: Path) -> None:
    def source() -> Iterator[bytes]:
        yield CONTENT
        raise KeyError("the lease is lost")

    with pytest.raises(KeyError, match="the lease is lost"):
        session.upload("a", source(), 1_000_000)
    session.remove("a")
    put(session, "b")
    assert names(folder) == ["b"]


def test_an_existing_name_is_refused_and_left_alone(session: Session, folder: Path) -> None:
    (folder / "run.xml").write_bytes(b"of yesterday")
    put(session, "a.part")
    with pytest.raises(NameTakenError, match=r"run\.xml exists") as failed:
        session.publish("a.part", "run.xml")
    assert failed.value.permanent
    assert names(folder) == ["a.part", "run.xml"]
    assert (folder / "run.xml").read_bytes() == b"of yesterday"


def test_a_revision_replaces(session: Session, folder: Path) -> None:
    (folder / "run.xml").write_bytes(b"of yesterday")
    put(session, "a.part")
    session.publish("a.part", "run.xml", replace=True)
    assert names(folder) == ["run.xml"]
    assert (folder / "run.xml").read_bytes() == CONTENT


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("taken", [False, True])
def test_it_tells_that_the_temporary_file_is_gone(session: Session, folder: Path, replace: bool, taken: bool) -> None:
    if taken:
        (folder / "run.xml").write_bytes(b"published by an earlier attempt")
    with pytest.raises(TemporaryGoneError):
        session.publish("a.part", "run.xml", replace=replace)


def test_a_missing_directory_is_not_taken_for_a_published_file(sshd: Sshd, folder: Path) -> None:
    with connect(on_sshd(sshd, directory="moved/away")) as session:
        with pytest.raises(DeliveryError, match="no directory 'moved/away'") as failed:
            session.publish("a.part", "run.xml")
        assert (failed.value.step, failed.value.permanent) == ("directory", True)
        with pytest.raises(DeliveryError) as failed:
            put(session, "a.part")
        assert (failed.value.step, failed.value.permanent) == ("directory", True)


def test_size_and_remove_of_a_file_that_is_not_there(session: Session) -> None:
    assert session.size("nothing") is None
    session.remove("nothing")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_directory_is_relative_to_the_login_or_absolute(tmp_path: Path, absolute: bool) -> None:
    with run_sshd() as server:
        inbox = server.root / "in" / "meter data"
        inbox.mkdir(parents=True)
        inbox.chmod(0o777)
        with connect(on_sshd(server, directory=f"{inbox}/" if absolute else "in//meter data")) as session:
            put(session, "a.part")
            session.publish("a.part", "a.csv")
        assert names(inbox) == ["a.csv"]


class TestServersThatForbid:
    def test_replacing_leaves_the_file_alone(self) -> None:
        with run_sshd("-P", "posix-rename,fsync,limits") as server, connect(on_sshd(server)) as session:
            (server.root / "run.xml").write_bytes(b"of yesterday")
            put(session, "a.part", CONTENT * 5)
            with pytest.raises(DeliveryError, match="does not let it be replaced") as failed:
                session.publish("a.part", "run.xml", replace=True)
            assert (failed.value.step, failed.value.permanent) == ("rename", True)
            assert (server.root / "run.xml").read_bytes() == b"of yesterday"
            session.publish("a.part", "run-2.xml", replace=True)
            assert names(server.root) == ["run-2.xml", "run.xml"]

    def test_writing_is_permanent(self) -> None:
        with run_sshd("-R") as server, connect(on_sshd(server)) as session:
            with pytest.raises(DeliveryError, match="Permission denied") as failed:
                put(session, "a.part")
            assert (failed.value.step, failed.value.permanent) == ("write", True)

    def test_a_directory_of_somebody_else_is_permanent(self, sshd: Sshd) -> None:
        with connect(on_sshd(sshd, directory="/etc")) as session, pytest.raises(DeliveryError) as failed:
            put(session, "piquet-test.part")
        assert (failed.value.step, failed.value.permanent) == ("write", True)

    @pytest.mark.parametrize("chunks", [[b"a"], [CONTENT], [CONTENT, b""], [CONTENT, CONTENT]])
    def test_a_full_disk_is_noticed_with_the_write_and_worth_another_try(self, chunks: list[bytes]) -> None:
        with (
            run_sshd("-P", "fsync", key_types=("ssh-ed25519",)) as server,
            connect(on_sshd(server, directory="/dev")) as session,
            pytest.raises(DeliveryError) as failed,
        ):
            session.upload("full", chunks, sum(map(len, chunks)))
        assert (failed.value.step, failed.value.permanent) == ("write", False)


class TestBrokenLines:
    @pytest.mark.parametrize("cut", [*random.Random(11).sample(range(200, 302_000), 8), 302_470, 302_600])
    def test_a_cut_anywhere_is_worth_another_try_and_hurts_nothing(self, sshd: Sshd, folder: Path, cut: int) -> None:
        with run_relay(sshd.port, cut_after=cut) as port, pytest.raises(DeliveryError, match="ended the") as failed:
            deliver(on_sshd(sshd, port=port))
        assert not failed.value.permanent
        assert "run.xml" not in names(folder)
        deliver(on_sshd(sshd))
        assert (folder / "run.xml").read_bytes() == CONTENT

    def test_a_rename_whose_answer_is_lost_is_found_to_have_happened(self, sshd: Sshd, folder: Path) -> None:
        lost = threading.Event()
        with run_relay(sshd.port, lose_answers=lost) as port, connect(on_sshd(sshd, port=port)) as session:
            put(session, "a.part")
            lost.set()
            with pytest.raises(DeliveryError) as failed:
                session.publish("a.part", "run.xml", replace=True)
        assert (failed.value.step, failed.value.permanent) == ("rename", False)
        with connect(on_sshd(sshd)) as session, pytest.raises(TemporaryGoneError):
            session.publish("a.part", "run.xml", replace=True)
        assert names(folder) == ["run.xml"]

    @pytest.mark.parametrize("after", [10, 500, 800, 1_000, 1_150, 200_000])
    @pytest.mark.usefixtures("folder")
    def test_a_server_that_goes_silent_is_given_up(self, sshd: Sshd, after: int) -> None:
        with run_relay(sshd.port, freeze_after=after) as port, pytest.raises(DeliveryError) as failed:
            deliver(on_sshd(sshd, port=port, timeout=0.6))
        assert not failed.value.permanent
        assert "in time" in failed.value.message or "without an answer" in failed.value.message


@pytest.mark.parametrize(
    "directory", ["..", "in/..", "../in", "/..", "in/../..", ".", "./in", "in/.", "in\\..\\x", "in\n", "in\0", "\x7f"]
)
def test_it_refuses_directories_that_lead_elsewhere(directory: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        remote_directory(directory)
    assert (refused.value.step, refused.value.permanent) == ("directory", True)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "a\\b", "a b", "a\n", "a\0", "é", "a" * 201, "$(x)", "a;b", "a:b", "*"]
)
def test_it_refuses_file_names_that_are_not_plain(name: str) -> None:
    with pytest.raises(DeliveryError):
        remote_path("in", name)


@pytest.mark.parametrize(
    ("directory", "path"),
    [("", "a"), ("/", "/a"), ("in", "in/a"), ("/in/", "/in/a"), ("in//b", "in/b/a"), ("Zähler 1", "Zähler 1/a")],
)
def test_paths_as_they_are_sent(directory: str, path: str) -> None:
    assert remote_path(directory, "a") == path
