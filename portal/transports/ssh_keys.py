"""SSH keys: made, read in every usual format, and shown as the lines and fingerprints that people compare."""

import base64
import binascii
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LARGEST_KEY_FILE = 20_000  # bytes; RSA with 16,384 bits takes 13,000
_SMALLEST_RSA = 2048  # bits; NIST SP 800-131A
_PUBLIC = ("ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC KEY", "-----BEGIN PUBLIC KEY", "-----BEGIN RSA PUBLIC KEY")
_CURVES = ("secp256r1", "secp384r1", "secp521r1")  # RFC 5656
_NO_KEY_FILE = "This is not a private key file (OpenSSH, PEM or PKCS#8)."
_Loaded = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class BadKeyError(ValueError):
    """This is not a private key that SSH servers take today; the text says what to do.

    `template` is the English sentence's gettext key, `params` fill its placeholders.
    """

    def __init__(self, template: str, **params: str | int) -> None:
        super().__init__(template % params if params else template)
        self.template = template
        self.params: Mapping[str, Any] = params


class PassphraseNeededError(BadKeyError):
    """The key is encrypted and no passphrase was given."""


class PassphraseWrongError(BadKeyError):
    """The key is encrypted with another passphrase."""


@dataclass(frozen=True)
class KeyPair:
    """`private` is an unencrypted OpenSSH PEM, `public` one line for an authorized_keys file."""

    private: str = field(repr=False)
    public: str


@dataclass(frozen=True)
class HostKey:
    """What a server shows of itself: `fingerprint` as OpenSSH prints it, `line` as in a known_hosts file."""

    type: str
    fingerprint: str
    line: str


def fingerprint(public_blob: bytes) -> str:
    """SHA256:... without padding, exactly as ssh-keygen -l prints it."""
    digest = base64.b64encode(hashlib.sha256(public_blob).digest()).decode()
    return "SHA256:" + digest.rstrip("=")


def generate_key_pair(comment: str) -> KeyPair:
    """A new Ed25519 pair. The comment ends up on the public line, its line breaks as blanks."""
    key = Ed25519PrivateKey.generate()
    return KeyPair(private=_openssh(key), public=f"{_line(key)} {' '.join(comment.split())}".strip())


def public_line(private_pem: str, passphrase: str | None = None) -> str:
    """The public line that belongs to a private key, which this proves to be usable.

    Takes OpenSSH, PEM and PKCS#8 files with Ed25519, ECDSA (NIST) or RSA keys. Raises PassphraseNeededError,
    PassphraseWrongError or BadKeyError (all ValueError) with a sentence for the person who uploaded it.
    """
    return _line(_load(private_pem, passphrase))


def unlocked(private_pem: str, passphrase: str | None = None) -> KeyPair:
    """A key that somebody uploaded, without its passphrase, and its public line. Raises as `public_line` does."""
    key = _load(private_pem, passphrase)
    return KeyPair(private=_openssh(key), public=_line(key))


def text_of_file(data: bytes) -> str:
    """The key in a file as text: the binary form of PKCS#8 as PEM, what Windows puts in front left out. BadKeyError for
    what is too large to be a key, holds nothing, or is no text."""
    if len(data) > LARGEST_KEY_FILE:
        raise BadKeyError("The file is larger than a key can be (%(most)s kB).", most=LARGEST_KEY_FILE // 1000)
    if not data.strip():
        raise BadKeyError("The file is empty.")
    if data.startswith(b"\x30"):  # a sequence in DER, where every text form begins with a dash or a letter
        return _as_pem(data)
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadKeyError(_NO_KEY_FILE) from None


def _as_pem(der: bytes) -> str:
    try:
        key = serialization.load_der_private_key(der, None)
    except TypeError:  # how cryptography says "encrypted"
        kind = "ENCRYPTED PRIVATE KEY"
        return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"
    except (ValueError, UnsupportedAlgorithm):
        raise BadKeyError(_NO_KEY_FILE) from None
    form, lock = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, lock).decode()


def signing_key(private_pem: str, passphrase: str | None = None) -> paramiko.PKey:
    """The key as paramiko signs with it. Raises as `public_line` does."""
    key = _load(private_pem, passphrase)
    file = io.StringIO(_openssh(key))
    if isinstance(key, RSAPrivateKey):
        return paramiko.RSAKey.from_private_key(file)
    if isinstance(key, EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(file)
    return paramiko.Ed25519Key.from_private_key(file)


def _openssh(key: _Loaded) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _line(key: _Loaded) -> str:
    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(encoding, form).decode()


def _load(private_pem: str, passphrase: str | None) -> _Loaded:
    key = _decrypted(private_pem.strip(), passphrase)
    if isinstance(key, RSAPrivateKey) and key.key_size < _SMALLEST_RSA:
        raise BadKeyError(
            "RSA keys need at least %(least)s bits, this one has %(bits)s.", least=_SMALLEST_RSA, bits=key.key_size
        )
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name not in _CURVES:
        raise BadKeyError("SSH servers do not take keys on the curve %(curve)s.", curve=key.curve.name)
    if not isinstance(key, _Loaded):
        raise BadKeyError("This kind of key is not taken: use Ed25519, ECDSA or RSA.")
    return key


def _decrypted(pem: str, passphrase: str | None) -> object:
    if pem.startswith("PuTTY-User-Key-File"):
        raise BadKeyError("This is a PuTTY key: export it from PuTTYgen as an OpenSSH key.")
    if pem.startswith(_PUBLIC):
        raise BadKeyError("This is the public part of a key: take the other one, usually the file without .pub.")
    if len(pem) > LARGEST_KEY_FILE or not pem.startswith("-----BEGIN") or "PRIVATE KEY" not in pem:
        raise BadKeyError(_NO_KEY_FILE)
    try:
        return _parsed(pem, None)
    except TypeError:  # how cryptography says "encrypted"
        if not passphrase:
            raise PassphraseNeededError("The key is encrypted: enter its passphrase.") from None
    try:
        return _parsed(pem, passphrase)
    except BadKeyError:
        raise PassphraseWrongError("The passphrase does not open this key.") from None


def _parsed(pem: str, passphrase: str | None) -> object:
    is_openssh = pem.startswith("-----BEGIN OPENSSH PRIVATE KEY")
    read = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    try:
        return read((pem + "\n").encode(), passphrase.encode() if passphrase else None)
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as error:
        raise BadKeyError("The key file is damaged or of a kind that is not taken.") from error
