"""The demo's own SFTP server, attacked and used with OpenSSH's client and with paramiko's."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from portal.transports import NameTakenError, TemporaryGoneError
from portal.transports.sftp import connect, fetch_host_key, generate_key_pair, probe
from tests.servers.drop_box import ROOT, DropBox, run_drop_box
from tests.servers.processes import port_answers
from tests.transports.targets import on_drop_box

OUTSIDE = Path("/etc/passwd")


@pytest.fixture(scope="module")
def drop_box() -> Iterator[DropBox]:
    """Its own server: these tests look at the whole folder, which others may not write to."""
    with run_drop_box() as server:
        yield server


@pytest.fixture
def client(drop_box: DropBox) -> Iterator[paramiko.SFTPClient]:
    """A client with none of the product's own checks; the folder is emptied afterwards."""
    with contextlib.closing(paramiko.Transport((drop_box.host, drop_box.port))) as transport:
        transport.connect(username=drop_box.username, password=drop_box.password)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client
        yield client
    for path in sorted(drop_box.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_delivery_as_to_a_utility(drop_box: DropBox, client: paramiko.SFTPClient) -> None:
    content = os.urandom(700_000)
    with connect(on_drop_box(drop_box)) as session:
        session.upload("a.part", [content], len(content))
        session.publish("a.part", "a.xml")
        with pytest.raises(TemporaryGoneError):
            session.publish("a.part", "a.xml")
        session.upload("b.part", [b"revised"], 7)
        with pytest.raises(NameTakenError):
            session.publish("b.part", "a.xml")
        assert (drop_box.root / "a.xml").read_bytes() == content
        session.publish("b.part", "a.xml", replace=True)
    assert [path.read_bytes() for path in drop_box.root.iterdir()] == [b"revised"]


def test_it_passes_the_connection_test(drop_box: DropBox) -> None:
    assert all(step.ok for step in probe(on_drop_box(drop_box)))
    assert not list(drop_box.root.iterdir())


def test_a_client_sees_its_folder_as_the_whole_server(drop_box: DropBox, client: paramiko.SFTPClient) -> None:
    client.mkdir("in")
    with client.open("in/a", "w") as file:
        file.write("hello")
    with client.open("/in/a") as file:
        assert file.read() == b"hello"
    assert client.normalize("in/..") == "/"
    assert client.listdir("/in") == ["a"]
    assert client.stat("in/a").st_size == 5
    client.remove("in/a")
    client.rmdir("in")
    assert not list(drop_box.root.iterdir())


@pytest.mark.parametrize("path", ["../../../../etc/passwd", "/../etc/passwd", "/etc/passwd", "in/../../etc/passwd"])
def test_dots_do_not_leave_the_root(client: paramiko.SFTPClient, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        client.open(path)
    with pytest.raises(FileNotFoundError):
        client.stat(path)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_symbolic_links_lead_nowhere(drop_box: DropBox, client: paramiko.SFTPClient, link: str) -> None:
    (drop_box.root / "link").symlink_to(OUTSIDE if link == "file" else OUTSIDE.parent)
    path = "link" if link == "file" else f"link/{OUTSIDE.name}"
    for attempt in (client.open, client.stat, client.remove, client.listdir):
        with pytest.raises(PermissionError):
            attempt(path)
    with pytest.raises(PermissionError):
        client.rename(path, "copy")
    assert client.listdir("/") == []
    assert OUTSIDE.exists()


def test_clients_cannot_make_links_or_change_modes(drop_box: DropBox, client: paramiko.SFTPClient) -> None:
    with pytest.raises(OSError, match="unsupported"):
        client.symlink(str(OUTSIDE), "link")
    with client.open("a", "w"), pytest.raises(OSError, match="unsupported"):
        client.chmod("a", 0o4777)
    assert stat.S_IMODE((drop_box.root / "a").stat().st_mode) & 0o7111 == 0


def test_of_many_renames_to_one_name_one_succeeds(drop_box: DropBox, client: paramiko.SFTPClient) -> None:
    won: list[int] = []

    def race(number: int) -> None:
        with connect(on_drop_box(drop_box)) as session:
            session.upload(f"{number}.part", [b"%d" % number], 1)
            start.wait()
            with contextlib.suppress(NameTakenError):
                session.publish(f"{number}.part", "a")
                won.append(number)

    start = threading.Barrier(6)
    racers = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(20)
    assert [b"%d" % number for number in won] == [(drop_box.root / "a").read_bytes()]


def test_public_keys_open_it_and_the_host_key_stays() -> None:
    pair = generate_key_pair("driver")
    with run_drop_box(public_key=pair.public) as server:
        with connect(on_drop_box(server, password=None, private_key=pair.private)) as session:
            session.upload("a", [b"1"], 1)
        assert stat.S_IMODE(server.host_key_file.stat().st_mode) == 0o600
        assert fetch_host_key(on_drop_box(server)).fingerprint == server.fingerprint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_and_stops_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "password").write_text("secret\n")
    words = ["--root", ".", "--port", "0", "--host-key", "key", "--username", "u", "--password-file", "password"]
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.transports.drop_box", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    ready = process.stdout.readline()
    port = int(ready.split(":")[2].split()[0])
    assert port_answers(port)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, "")
    assert not port_answers(port)
