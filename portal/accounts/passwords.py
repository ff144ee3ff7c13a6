"""Passwords: argon2id, and a comparison that takes the same time whether or not there is an account."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portal.core.errors import RuleBroken

SHORTEST = 10
LONGEST = 200
OF_THE_DEMO = "piquet-demo"  # published on purpose: it opens nothing outside the demo
hasher = PasswordHasher()
# Of a password that nobody knows, made with today's parameters: to make it anew would hold up each process that starts.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$+7DFJZ2nxxkhMDzDKF41JQ$DOYlxeuZF9ciEY94J8iQ3JmImOchdXHmSlkEBg6YpLQ"


def check_strength(password: str, field: str = "password") -> None:
    """RuleBroken unless the password is 10 to 200 characters, not one character over and over, and not the demo's."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise RuleBroken(field, "Choose a password of 10 to 200 characters.")
    if len(set(password)) < 4:
        raise RuleBroken(field, "Choose a password with more different characters.")
    if password == OF_THE_DEMO:
        raise RuleBroken(field, "Choose another password: everybody knows this one from the demo.")


def hashed(password: str) -> str:
    return hasher.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Whether the password fits the stored hash; as slow without a hash as with one."""
    try:
        return hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return hasher.check_needs_rehash(stored)
