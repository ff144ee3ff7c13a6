"""What the address of a list says after its question mark, however odd."""

from flask import request

LARGEST = 2**31 - 1  # of an id on PostgreSQL


def number(name: str) -> int | None:
    """A positive number of the address that can be an id; None for anything else."""
    text = request.args.get(name, "")
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return found if 0 < found <= LARGEST else None


def page_number() -> int:
    """The page that is asked for, from 1."""
    return min(number("page") or 1, 1_000_000)


def text(name: str) -> str:
    """A search text, trimmed and of bearable length."""
    return request.args.get(name, "").replace("\0", "").strip()[:120]
