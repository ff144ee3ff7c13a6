"""Testing a connection, step by step."""

import pytest

from portal.transports import UNREACHABLE, fit_to_show
from portal.transports.addresses import Reach
from portal.transports.probing import done
from portal.transports.sftp import Step, probe
from tests.servers.relay import run_relay
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.targets import on_sshd

ALL = ["resolve", "connect", "host_key", "login", "directory", "write", "size", "rename", "delete"]


def outcome(steps: list[Step]) -> tuple[list[str], str | None]:
    """The names of the steps that went well, and of the one that did not."""
    return [step.name for step in steps if step.ok], next((step.name for step in steps if not step.ok), None)


def test_a_working_target_passes_every_step_and_stays_clean(sshd: Sshd) -> None:
    steps = list(probe(on_sshd(sshd)))
    assert outcome(steps) == (ALL, None)
    assert steps[2].host_key
    assert steps[2].host_key.fingerprint == sshd.fingerprints["ssh-ed25519"]
    assert not list(sshd.root.iterdir())


def test_it_never_says_why_an_inner_address_is_not_reached(sshd: Sshd) -> None:
    for changes in ({"reach": Reach(ports=(sshd.port,))}, {"port": 1}, {"host": "10.0.0.1"}):
        steps = list(probe(on_sshd(sshd, **changes)))
        assert [step.ok for step in steps][-1] is False
        assert steps[-1].detail == UNREACHABLE
        assert steps[-1].error
        assert steps[-1].error.message != UNREACHABLE


def test_an_unconfirmed_host_key_is_shown_and_ends_it(sshd: Sshd) -> None:
    steps = list(probe(on_sshd(sshd, host_key_type=None, host_key_fingerprint=None)))
    assert outcome(steps) == (ALL[:2], "host_key")
    assert steps[-1].host_key
    assert steps[-1].host_key.fingerprint == sshd.fingerprints["ssh-ed25519"]


def test_a_changed_host_key_is_shown_and_ends_it(sshd: Sshd) -> None:
    steps = list(probe(on_sshd(sshd, host_key_fingerprint=sshd.fingerprints["ssh-rsa"])))
    assert outcome(steps) == (ALL[:2], "host_key")
    assert "another host key than the confirmed one" in steps[-1].detail


def test_a_refused_login_ends_it(sshd: Sshd) -> None:
    assert outcome(list(probe(on_sshd(sshd, username="somebody")))) == (ALL[:3], "login")


def test_a_missing_directory_ends_it(sshd: Sshd) -> None:
    assert outcome(list(probe(on_sshd(sshd, directory="not/there")))) == (ALL[:4], "directory")


def test_a_file_is_not_a_directory(sshd: Sshd) -> None:
    (sshd.root / "file").write_text("")
    assert outcome(list(probe(on_sshd(sshd, directory="file")))) == (ALL[:4], "directory")
    (sshd.root / "file").unlink()


@pytest.mark.parametrize(
    ("forbidden", "passed", "failed"),
    [("write", 5, "write"), ("stat", 4, "directory"), ("rename", 7, "rename"), ("remove", 8, "delete")],
)
def test_a_server_that_forbids_something_is_found_out(forbidden: str, passed: int, failed: str) -> None:
    with run_sshd("-P", forbidden) as server:
        assert outcome(list(probe(on_sshd(server)))) == (ALL[:passed], failed)
        left = [path.stat().st_size for path in server.root.iterdir()]
        assert left == ([50] if forbidden == "remove" else [])


@pytest.mark.parametrize("steps", [6, 7, 8])
def test_an_abandoned_test_leaves_nothing(sshd: Sshd, steps: int) -> None:
    running = probe(on_sshd(sshd))
    assert [next(running).ok for _ in range(steps)] == [True] * steps
    assert len(list(sshd.root.iterdir())) == 1
    running.close()
    assert not list(sshd.root.iterdir())


def test_test_files_have_a_name_of_their_own(sshd: Sshd) -> None:
    for step in probe(on_sshd(sshd)):
        for path in sshd.root.iterdir():
            assert path.match(".piquet-test-*.part"), step


def test_a_cut_line_ends_it_at_its_step(sshd: Sshd) -> None:
    with run_relay(sshd.port, cut_after=1_000) as port:
        steps = list(probe(on_sshd(sshd, port=port)))
    assert steps[-1].name == "login"
    assert not steps[-1].ok


def test_what_a_server_says_is_shown_bounded_and_on_one_line() -> None:
    assert fit_to_show("220 Hi\r\nthere\x1b[31m" + "x" * 400) == "220 Hi  there [31m" + "x" * 282
    assert done("login", "me", said=["", "a\nb"]).said == ("a b",)


def test_a_directory_that_nobody_may_list_passes(sshd: Sshd) -> None:
    with run_sshd("-P", "opendir") as server:
        steps = list(probe(on_sshd(server)))
    assert outcome(steps) == (ALL, None)
    assert "does not let it be listed" in steps[4].detail
