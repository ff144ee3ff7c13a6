"""A worker's runs at real servers over SFTP and FTPS: what arrives, and what a run says where nothing does."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.sending import place
from portal.exports import delivering
from portal.exports.models import ExportRun
from portal.transports.ssh_keys import generate_key_pair
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import START, Scene, plan, runs
from tests.servers.certificates import Certificate, self_signed
from tests.servers.drop_box import DropBox
from tests.servers.ftp import AUTHORITY, FtpServer, run_ftp
from tests.servers.sshd import Sshd, run_sshd

DAY = timedelta(days=1)
Running = Sshd | FtpServer | DropBox
Work = Callable[[int], int]


def run(kind: str, largest_file: int | None = None) -> contextlib.AbstractContextManager[Sshd | FtpServer]:
    return run_sshd(largest_file=largest_file) if kind == "sshd" else run_ftp(kind, largest_file=largest_file)


@pytest.fixture(scope="module", params=["sshd", "vsftpd"])
def server(request: pytest.FixtureRequest) -> Iterator[Sshd | FtpServer]:
    with run(request.param) as server:
        yield server


@pytest.fixture
def point(session: Session, scene: Scene, vault: Vault) -> Callable[[Running], Path]:
    """Lets the task deliver into a new folder of this server, and gives the folder."""

    def pointing(server: Running) -> Path:
        row, folder = scene.destination, server.root / scene.folder.name
        row.host, row.port, row.username, row.directory = server.host, server.port, server.username, folder.name
        row.login, secret = ("key", server.private_key) if isinstance(server, Sshd) else ("password", server.password)
        row.sealed_secret = vault.seal(place(row), secret)
        if isinstance(server, FtpServer):
            row.protocol, row.certificate_check, row.own_ca = "ftps_explicit", "own_ca", server.authority
        else:
            known = server.fingerprints["ssh-ed25519"] if isinstance(server, Sshd) else server.fingerprint
            row.host_key_type, row.host_key_fingerprint = "ssh-ed25519", known
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        session.commit()
        return folder

    return pointing


Point = Callable[[Running], Path]


@pytest.fixture
def work(
    session: Session, settings: Settings, vault: Vault, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> Work:
    """Everything that is due, with this port allowed; no server is waited for longer than three seconds."""
    usual = delivering.reach
    monkeypatch.setattr(delivering, "reach", lambda settings: replace(usual(settings), timeout=3.0))

    def working(port: int) -> int:
        plan(session)
        return scenes.work(session, replace(settings, delivery_allowed_ports=(port,)), vault, sessions)

    return working


Told = Callable[[str, str, str], None]


@pytest.fixture
def told(
    session: Session, scene: Scene, logged_in: Callable[[Account], FlaskClient]
) -> Callable[[str, str, str], None]:
    """Asserts what became of the first run: its state, the step, and words that its reason, its last attempt and its
    page say."""

    def asserting(state: str, step: str, words: str) -> None:
        run = runs(session)[0]
        assert (run.state, run.reason["code"], run.reason["step"]) == (state, "failed", step)
        assert words in run.reason["message"]
        last = run.attempts[-1]
        assert (last.step, last.failed, last.message) == (step, True, run.reason["message"])
        page = logged_in(scene.owner).get(f"/exports/runs/{run.id}").text
        assert str(escape(words)) in page
        assert ("This period could not be delivered" in page) == (state == "failed")
        assert ("Will be tried again" in page) == (state == "due")

    return asserting


def paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def uploads(run: ExportRun) -> str:
    """Under which name the run's file was put aside."""
    (found,) = [attempt.message for attempt in run.attempts if attempt.step == "uploading"]
    return found


def test_both_periods_arrive(session: Session, server: Sshd | FtpServer, point: Point, work: Work) -> None:
    folder = point(server)
    assert work(server.port) == 2
    assert {run.state for run in runs(session)} == {"delivered"}
    assert paths(folder) == ["Monthly-to-IS-E_20260328.csv", "Monthly-to-IS-E_20260329.csv"]
    for run in runs(session):
        assert (folder / run.files[0].name).stat().st_size == run.files[0].size


def test_a_directory_that_cannot_be_written(server: Sshd | FtpServer, point: Point, work: Work, told: Told) -> None:
    folder = point(server)
    folder.chmod(0o555)
    work(server.port)
    words = "refused: Permission denied" if isinstance(server, Sshd) else "answered: 553 Could not create file."
    told("failed", "write", f"The server {words}")
    assert paths(folder) == []


@pytest.mark.parametrize(("kind", "words"), [("sshd", "Failure"), ("vsftpd", "451 Failure writing to local file.")])
def test_a_full_disk(
    session: Session, scene: Scene, point: Point, work: Work, told: Told, kind: str, words: str
) -> None:
    """Of a file longer than the server may write."""
    task = scene.task
    scene.formatter.settings = scene.formatter.settings | {"per": "quarter"}
    task.interval, task.starts_on, task.ends_on = "weekly", date(2026, 3, 23), START + DAY
    task.trigger, task.hours_after_end, task.next_due_at = "hours_after_end", 0, scenes.BEGINS_AT + 2 * DAY
    with run(kind, largest_file=30_000) as small:
        folder = point(small)
        work(small.port)
        assert (runs(session)[0].size or 0) > 30_000
        told("due", "write", f"The server answered: {words}")
        assert [name for name in paths(folder) if name.endswith(".csv")] == []


def test_a_wrong_password_or_key(
    session: Session, scene: Scene, vault: Vault, server: Sshd | FtpServer, point: Point, work: Work, told: Told
) -> None:
    point(server)
    wrong = generate_key_pair("other").private if isinstance(server, Sshd) else "wrong"
    scene.destination.sealed_secret = vault.seal(place(scene.destination), wrong)
    work(server.port)
    told("failed", "login", f"The server refused the user name {server.username} or its secret")
    session.refresh(scene.task)
    assert scene.task.paused_at is not None


def test_a_wrong_password_over_sftp(
    scene: Scene, vault: Vault, drop_box: DropBox, point: Point, work: Work, told: Told
) -> None:
    point(drop_box)
    scene.destination.sealed_secret = vault.seal(place(scene.destination), "wrong")
    work(drop_box.port)
    told("failed", "login", f"The server refused the user name {drop_box.username} or its secret.")


def test_a_server_that_never_answers(
    scene: Scene, server: Sshd | FtpServer, point: Point, work: Work, told: Told
) -> None:
    point(server)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        scene.destination.port = mute.getsockname()[1]
        work(scene.destination.port)
    told("due", "connect", "The server did not answer in time.")


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (AUTHORITY.issue(begins=-9 * DAY, ends=-DAY), "certificate has expired"),
        (self_signed(), "self-signed certificate"),
    ],
    ids=["expired", "self-signed"],
)
def test_an_unsound_certificate(
    session: Session, scene: Scene, point: Point, work: Work, told: Told, certificate: Certificate, words: str
) -> None:
    with run_ftp("vsftpd", certificate=certificate) as server:
        folder = point(server)
        work(server.port)
        told("failed", "certificate", f"The certificate of the server does not pass: {words}")
        assert paths(folder) == []
        session.refresh(scene.task)
        assert (scene.task.paused_at is not None, scene.task.paused_reason["step"]) == (True, "certificate")


@pytest.mark.parametrize(
    ("writing", "aside", "suffix"),
    [("hidden", ".piquet-", ".part"), ("suffix", "piquet-", ".tmp"), ("directory", "piquet-", ".part")],
)
def test_a_file_is_put_aside_as_the_destination_says(
    session: Session, scene: Scene, server: Sshd | FtpServer, point: Point, work: Work, writing: str, aside: str,
    suffix: str,
) -> None:  # fmt: skip
    folder = point(server)
    scene.destination.writing, scene.destination.temporary_directory = writing, f"{folder.name}/aside-{{year}}"
    (folder / "aside-2026").mkdir()
    (folder / "aside-2026").chmod(0o777)
    work(server.port)
    first = runs(session)[0]
    assert first.state == "delivered"
    assert uploads(first).startswith(aside)
    assert uploads(first).endswith(suffix)
    assert paths(folder) == ["Monthly-to-IS-E_20260328.csv", "Monthly-to-IS-E_20260329.csv"]


def test_a_file_is_written_under_its_own_name_where_renaming_is_forbidden(
    session: Session, scene: Scene, server: Sshd | FtpServer, point: Point, work: Work
) -> None:
    folder = point(server)
    scene.destination.writing = "direct"
    work(server.port)
    first = runs(session)[0]
    assert (first.state, uploads(first), first.unconfirmed) == ("delivered", first.files[0].name, False)
    assert paths(folder) == ["Monthly-to-IS-E_20260328.csv", "Monthly-to-IS-E_20260329.csv"]


def test_behind_every_file_comes_an_empty_one_that_says_it_is_whole(
    session: Session, scene: Scene, server: Sshd | FtpServer, point: Point, work: Work
) -> None:
    folder = point(server)
    scene.destination.done_suffix = ".done"
    work(server.port)
    assert {run.state for run in runs(session)} == {"delivered"}
    names = [run.files[0].name for run in runs(session)]
    assert paths(folder) == sorted([*names, *(f"{name}.done" for name in names)])
    assert all((folder / f"{name}.done").stat().st_size == 0 for name in names)


def test_every_period_goes_into_the_directory_of_its_first_day(
    session: Session, scene: Scene, server: Sshd | FtpServer, point: Point, work: Work
) -> None:
    folder = point(server)
    scene.destination.make_directory = True
    scene.destination.directory = f"{folder.name}/{{year}}/{{month}}/{{day}}/{{task}}"
    work(server.port)
    assert {run.state for run in runs(session)} == {"delivered"}
    assert paths(folder) == [
        "2026/03/28/Monthly to IS-E/Monthly-to-IS-E_20260328.csv",
        "2026/03/29/Monthly to IS-E/Monthly-to-IS-E_20260329.csv",
    ]
