"""Testing a connection: the steps that every protocol shares."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from portal.transports import DeliveryError, StepName
from portal.transports.session import Session
from portal.transports.ssh_keys import HostKey
from portal.transports.targets import Target

_AS_IT_IS = "%(words)s"  # no text of ours: nothing is to be translated
_TEST_CONTENT = b"Test of the connection; this file may be deleted.\n"


@dataclass(frozen=True)
class Step:
    """One step of a connection test. `detail` may be shown to the destination's owner.

    `template` is the gettext key of the English `detail`, `params` fill its placeholders.
    `error` is what stopped it, for the operator's log: where it is private, `detail` is the neutral sentence.
    `host_key` comes with the step host_key, also when it is not the confirmed one.
    """

    name: StepName
    ok: bool
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    host_key: HostKey | None = None
    error: DeliveryError | None = None

    @property
    def detail(self) -> str:
        return self.template % self.params if self.params else self.template


def done(name: StepName, words: str, host_key: HostKey | None = None) -> Step:
    """A step that went well, with the server's words."""
    return Step(name, True, _AS_IT_IS, {"words": words}, host_key)


def failed(error: DeliveryError, host_key: HostKey | None = None) -> Step:
    """The step at which it stopped."""
    return Step(error.step, False, *error.shown, host_key, error)


Again = Callable[[Target], AbstractContextManager[Session]]


def probe_files(target: Target, session: Session, again: Again) -> Iterator[Step]:
    """The steps directory, write, size, rename and delete on a session that is logged in. `again` opens another one,
    to clean up where the first is lost: the test file is removed even if the test is abandoned half-way."""
    session.check_directory()
    yield (
        done("directory", target.directory)
        if target.directory
        else Step("directory", True, "the directory after log-in")
    )
    token = secrets.token_hex(8)
    dot = "." if target.hidden else ""
    renamed = f"{dot}piquet-test-{token}-2.part"
    written = renamed if target.direct else f"{dot}piquet-test-{token}.part"
    names = [renamed + target.done_suffix, renamed] if target.done_suffix else [renamed]
    try:
        session.upload(written, [_TEST_CONTENT], len(_TEST_CONTENT))
        yield done("write", written)
        yield Step("size", True, "%(size)s bytes", {"size": len(_TEST_CONTENT)})
        session.publish(written, renamed)
        yield Step("rename", True, "left out: written direct") if target.direct else done("rename", renamed)
        for name in names:
            session.remove(name)
        names = []
        yield done("delete", renamed)
    finally:
        if names:
            _clean_up(target, session, written, names, again)


def _clean_up(target: Target, session: Session, written: str, names: list[str], again: Again) -> None:
    """Removes what a failed test left, over a new connection if the old one is gone; gives up quietly."""

    def clean(on: Session) -> None:
        on.discard(written)
        for name in names:
            on.remove(name)

    with contextlib.suppress(DeliveryError):
        try:
            clean(session)
        except DeliveryError as error:
            if not error.permanent:
                with again(target) as fresh:
                    clean(fresh)
