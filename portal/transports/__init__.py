"""Ways out: a file goes to a server, or DeliveryError says at which step it did not."""

from collections.abc import Mapping
from typing import Any, Literal

StepName = Literal[
    "resolve", "connect", "host_key", "certificate", "login", "directory", "write", "size", "rename", "delete", "read"
]


def N_(message: str) -> str:  # noqa: N802  gettext's customary name
    """The message as it is: marks an English text for extraction; whoever shows it translates it."""
    return message


UNREACHABLE = N_("The server cannot be reached at this address and port, or they are not allowed here.")


def fit_to_show(words: str, most: int = 300) -> str:
    """What a server said, fit for a page and a log line: printable, on one line, of bounded length."""
    return "".join(letter if letter.isprintable() else " " for letter in words[: most + 1]).strip()[:most]


class DeliveryError(Exception):
    """Why a delivery stopped.

    `step` is one of `StepName`. `message` is an English sentence, with the server's own words where it gave any;
    `template` is its gettext key, `params` fill the placeholders (texts and numbers alone).
    `permanent`: trying again without a human's change is useless. `private`: it happened before a connection
    to an allowed address stood, so `message` is for the operator's log alone (it would make the portal a port
    scanner); `shown` is what the owner of the destination may read: a gettext key and what fills it.
    """

    def __init__(
        self, step: StepName, template: str, permanent: bool = False, *, private: bool = False, **params: str | int
    ) -> None:
        self.message = template % params if params else template
        super().__init__(self.message)
        self.step: StepName = step
        self.template = template
        self.params: Mapping[str, Any] = params
        self.permanent = permanent
        self.private = private

    @property
    def shown(self) -> tuple[str, Mapping[str, Any]]:
        return (UNREACHABLE, {}) if self.private else (self.template, self.params)


class PeerChangedError(DeliveryError):
    """The server shows another host key or certificate than the confirmed one; no secret was sent.

    `pinned` and `seen` are fingerprints; `seen` is None if the server offered no key of the pinned type.
    """

    def __init__(self, step: StepName, template: str, pinned: str, seen: str | None, **params: str) -> None:
        super().__init__(step, template, True, private=False, **params)
        self.pinned = pinned
        self.seen = seen


class TemporaryGoneError(DeliveryError):
    """There is no temporary file to rename, while its directory stands.

    Exactly-once rests on this: one rename of one temporary name can succeed, ever. Whoever uploaded it, saw
    its size confirmed and now meets this, knows that an earlier attempt has published it.
    """

    def __init__(self, temporary_name: str) -> None:
        super().__init__("rename", "%(name)s is no longer there.", permanent=True, name=temporary_name)


class NameTakenError(DeliveryError):
    """A file of the final name is on the server already; it was left as it is."""

    def __init__(self, final_name: str) -> None:
        super().__init__("rename", "%(name)s exists on the server already.", permanent=True, name=final_name)
