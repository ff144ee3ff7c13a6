"""Addresses inside the portal."""

import re

# No scheme, no host, no second slash or backslash after the first, no control character: browsers drop tabs and line
# feeds, so "/<TAB>/evil.example" would leave the portal.
INNER_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def inner_path(candidate: str | None, otherwise: str) -> str:
    """`candidate` when it is a path inside the portal, else `otherwise`."""
    return candidate if candidate and INNER_PATH.fullmatch(candidate) else otherwise
