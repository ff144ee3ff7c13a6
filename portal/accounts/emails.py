"""E-mail addresses: one spelling for comparison everywhere."""

import re

from portal.core.errors import RuleBroken

# ASCII only: lower() of other letters differs between Python, SQLite and PostgreSQL, and two accounts could collide.
ADDRESS = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def normalise(text: str, field: str = "email") -> str:
    """The address trimmed and in lower case; RuleBroken on `field` when it is none (ASCII, at most 254 characters)."""
    address = text.strip()
    lowered = address.lower()
    if not address.isascii() or len(lowered) > 254 or not ADDRESS.fullmatch(lowered):
        raise RuleBroken(field, "Enter an e-mail address such as name@company.ch.")
    return lowered
