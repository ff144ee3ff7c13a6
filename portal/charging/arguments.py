"""What the address of a list says after its question mark, however odd."""

from flask import request

from portal.core.db import LARGEST_ID


def number(name: str) -> int | None:
    """A positive number of the address that can be an id; None for anything else."""
    text = request.args.get(name, "")
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return found if 0 < found <= LARGEST_ID else None


def text(name: str) -> str:
    """A search text, trimmed and of bearable length."""
    return request.args.get(name, "").strip()[:120]
