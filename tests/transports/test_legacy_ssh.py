"""Old SSH servers: refused without the switch, and with it no less careful about host keys and this machine's keys."""

from collections.abc import Iterator

import pytest

from portal.transports import DeliveryError, PeerChangedError
from portal.transports.sftp import connect, fetch_host_key, probe
from portal.transports.targets import SftpTarget
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.servers import SHA_1
from tests.transports.targets import on_sshd


@pytest.fixture(scope="module")
def old() -> Iterator[Sshd]:
    with run_sshd(settings=f"{SHA_1}\nLogLevel DEBUG3", key_types=("ssh-rsa",)) as server:
        yield server


def target(server: Sshd, **changes: object) -> SftpTarget:
    return on_sshd(server, **({"legacy": True, "host_key_type": "ssh-rsa"} | changes))


def test_without_the_switch_an_old_server_is_refused_for_good(old: Sshd) -> None:
    with pytest.raises(DeliveryError, match="safe today") as refused, connect(target(old, legacy=False)):
        pass
    assert (refused.value.step, refused.value.permanent) == ("connect", True)


def test_its_key_is_fetched_and_every_step_of_the_test_passes(old: Sshd) -> None:
    assert fetch_host_key(target(old, host_key_type=None)).fingerprint == old.fingerprints["ssh-rsa"]
    steps = list(probe(target(old)))
    assert [step.name for step in steps if step.ok][-1] == "delete", steps[-1].detail
    assert not list(old.root.iterdir())


@pytest.mark.parametrize("pinned", [None, "SHA256:" + "A" * 43])
def test_without_the_confirmed_key_no_login_begins(pinned: str | None) -> None:
    with run_sshd(settings=f"{SHA_1}\nLogLevel DEBUG3", key_types=("ssh-rsa",)) as server:
        changes = {"host_key_fingerprint": pinned, "host_key_type": "ssh-rsa" if pinned else None}
        with pytest.raises(DeliveryError) as refused, connect(target(server, **changes)):
            pass
        steps = list(probe(target(server, **changes)))
        assert "userauth-request" not in server.log.read_text()
    assert isinstance(refused.value, PeerChangedError) is bool(pinned)
    assert steps[-1].name == "host_key"
    assert steps[-1].host_key
    assert steps[-1].host_key.fingerprint == server.fingerprints["ssh-rsa"]


def test_a_modern_server_is_spoken_to_with_modern_means(sshd: Sshd) -> None:
    with connect(on_sshd(sshd, legacy=True)) as session:
        connection = session._connection._connection  # type: ignore[attr-defined]
        assert connection.get_extra_info("send_cipher") == "aes128-gcm@openssh.com"
        assert connection.get_server_host_key().get_algorithm() == "ssh-ed25519"
