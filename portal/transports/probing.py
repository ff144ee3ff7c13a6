"""Testing a connection: the steps that every protocol shares."""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from portal.transports import DeliveryError, StepName, fit_to_show
from portal.transports.session import Session
from portal.transports.ssh_keys import HostKey
from portal.transports.targets import Target

_AS_IT_IS = "%(words)s"  # no text of ours: nothing is to be translated
_SIZE = "213 "  # how FTP states a size
_MOST_NAMES, _LONGEST_NAME = 5, 60  # of what lies in the directory
_TEST_CONTENT = b"Test of the connection; this file may be deleted.\n"


@dataclass(frozen=True)
class Step:
    """One step of a connection test. `detail` may be shown to the destination's owner.

    `template` is the gettext key of the English `detail`, `params` fill its placeholders.
    `said` is what the server itself said where it went well: as `fit_to_show` leaves it.
    `error` is what stopped it, for the operator's log: where it is private, `detail` is the neutral sentence.
    `host_key` comes with the step host_key, also when it is not the confirmed one.
    """

    name: StepName
    ok: bool
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    host_key: HostKey | None = None
    error: DeliveryError | None = None
    said: Sequence[str] = ()

    @property
    def detail(self) -> str:
        return self.template % self.params if self.params else self.template


def done(name: StepName, words: str, host_key: HostKey | None = None, said: Iterable[str] = ()) -> Step:
    """A step that went well: a fact that needs no words of ours, and what the server said of it."""
    return Step(name, True, _AS_IT_IS, {"words": words}, host_key, said=tuple(fit_to_show(one) for one in said if one))


def failed(error: DeliveryError, host_key: HostKey | None = None) -> Step:
    """The step at which it stopped."""
    return Step(error.step, False, *error.shown, host_key, error)


Again = Callable[[Target], AbstractContextManager[Session]]


def probe_files(target: Target, session: Session, again: Again) -> Iterator[Step]:
    """The steps directory, write, size, rename and delete on a session that is logged in. `again` opens another one,
    to clean up where the first is lost: the test file is removed even if the test is abandoned half-way."""
    session.check_directory()
    yield _looked_around(session)
    token = secrets.token_hex(8)
    dot = "." if target.hidden else ""
    renamed = f"{dot}piquet-test-{token}-2.part"
    written = renamed if target.direct else f"{dot}piquet-test-{token}.part"
    names = [renamed + target.done_suffix, renamed] if target.done_suffix else [renamed]
    try:
        session.upload(written, [_TEST_CONTENT], len(_TEST_CONTENT))
        said = session.said()
        yield done("write", written, said=[one for one in said if not one.startswith(_SIZE)])
        sizes = tuple(one for one in said if one.startswith(_SIZE))
        yield Step("size", True, "%(size)s bytes", {"size": len(_TEST_CONTENT)}, said=sizes)
        session.publish(written, renamed)
        said = session.said()
        yield Step("rename", True, "left out: written direct") if target.direct else done("rename", renamed, said=said)
        for name in names:
            session.remove(name)
        names = []
        yield done("delete", renamed, said=session.said())
    finally:
        if names:
            _clean_up(target, session, written, names, again)


def _looked_around(session: Session) -> Step:
    """The step directory, with what lies there. To list it is needed for no delivery: a refusal is told, no more."""
    names = session.names(_MOST_NAMES + 1)
    said = tuple(session.said())
    if names is None:
        words = "Open. The server does not let it be listed, which is not needed."
        return Step("directory", True, words, said=said)
    if not names:
        return Step("directory", True, "Open, and empty.", said=said)
    shown = ", ".join(fit_to_show(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])
    more = ", …" if len(names) > _MOST_NAMES else ""
    return Step("directory", True, "Open. It holds: %(names)s", {"names": shown + more}, said=said)


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
