"""Names on a server: directories and files that may be sent, and directories with the period in them."""

import re
from collections.abc import Mapping
from string import Formatter

from portal.transports import DeliveryError

PLACEHOLDERS = ("year", "month", "day", "task")  # of the first day of the period, and the task's name
_NAME = re.compile(r"[A-Za-z0-9._=+@-]{1,200}")
_SUFFIX = re.compile(r"\.[A-Za-z0-9_-]{1,19}")


def remote_directory(directory: str) -> str:
    """The directory as it is sent: without empty parts and without a "/" at its end.

    Raises a permanent DeliveryError for ".", "..", backslashes, control characters and what is not UTF-8.
    """
    parts = [part for part in directory.split("/") if part]
    odd = "\\" in directory or not all(letter.isprintable() for letter in directory)
    if odd or "." in parts or ".." in parts or len(directory) > 1000:
        raise DeliveryError(
            "directory", "The directory %(directory)s may not hold '.', '..', '\\' or control characters.",
            permanent=True, directory=repr(directory[:200]),
        )  # fmt: skip
    return ("/" if directory.startswith("/") else "") + "/".join(parts)


def remote_path(directory: str, name: str) -> str:
    """A file in a directory as it is sent. Raises a permanent DeliveryError for anything but a plain name."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise DeliveryError(
            "directory", "The file name %(name)s is not made of letters, digits and . _ = + @ - alone.",
            permanent=True, name=repr(name[:200]),
        )  # fmt: skip
    folder = remote_directory(directory)
    return f"{folder}{'' if folder in ('', '/') else '/'}{name}"


def parents(directory: str) -> list[str]:
    """The directory and those it lies in, the outermost first, as they are made: "/a/b" is "/a", "/a/b"."""
    folder = remote_directory(directory)
    parts = [part for part in folder.split("/") if part]
    lead = "/" if folder.startswith("/") else ""
    return [lead + "/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def is_suffix(text: str) -> bool:
    """Whether it may stand behind a file name: a dot, then letters, digits, _ and -, 20 characters at most."""
    return _SUFFIX.fullmatch(text) is not None


def placeholders(directory: str) -> set[str]:
    """The placeholders of a directory. ValueError for those that there are not, and for braces that name none."""
    found = set()
    for _text, name, form, conversion in Formatter().parse(directory):
        if name is None:
            continue
        if name not in PLACEHOLDERS or form or conversion:
            raise ValueError(name)
        found.add(name)
    return found


def filled(directory: str, values: Mapping[str, str]) -> str:
    """The directory with its placeholders filled. A value's slashes, backslashes and control characters become "_", so
    that it names one folder and no other; one that is nothing but dots and blanks becomes "_" as well."""
    if not placeholders(directory):
        return directory
    plain = {name: _one_folder(text) for name, text in values.items()}
    return directory.format_map(plain)


def _one_folder(text: str) -> str:
    plain = "".join(letter if letter.isprintable() and letter not in "/\\" else "_" for letter in text).strip()
    return plain if plain.strip(". ") else "_"
