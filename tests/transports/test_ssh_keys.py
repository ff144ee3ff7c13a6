"""SSH keys in the formats that people have."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from portal.transports.sftp import (
    BadKeyError,
    PassphraseNeededError,
    PassphraseWrongError,
    generate_key_pair,
    public_line,
    text_of_file,
)
from portal.transports.ssh_keys import fingerprint, signing_key

OPENSSH, PKCS8 = serialization.PrivateFormat.OpenSSH, serialization.PrivateFormat.PKCS8
PEM = serialization.PrivateFormat.TraditionalOpenSSL
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
ECDSA = ec.generate_private_key(ec.SECP384R1())
KEYS = [
    pytest.param(key, form, id=f"{name}-{kind}")
    for name, key in (("rsa", RSA), ("ed25519", ED25519), ("ecdsa", ECDSA))
    for kind, form in (("openssh", OPENSSH), ("pkcs8", PKCS8), ("pem", PEM))
    if (key, form) != (ED25519, PEM)  # there is no such thing
]
Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey


def text_of(key: Key, form: serialization.PrivateFormat = OPENSSH, passphrase: str = "") -> str:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, lock).decode()


def line_of(key: Key) -> str:
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()


@pytest.mark.parametrize(("key", "form"), KEYS)
def test_it_takes_every_usual_format(key: Key, form: serialization.PrivateFormat) -> None:
    assert public_line(text_of(key, form)) == line_of(key)
    assert f"{signing_key(text_of(key, form)).get_name()} " in line_of(key)


@pytest.mark.parametrize(("key", "form"), KEYS)
def test_it_opens_encrypted_keys_with_their_passphrase_only(key: Key, form: serialization.PrivateFormat) -> None:
    text = text_of(key, form, "grüezi")
    assert public_line(text, "grüezi") == line_of(key)
    with pytest.raises(PassphraseNeededError, match="enter its passphrase"):
        public_line(text)
    with pytest.raises(PassphraseWrongError, match="does not open"):
        public_line(text, "another")


@pytest.mark.parametrize("passphrase", ["", "grüezi"])
@pytest.mark.parametrize("key", [RSA, ED25519, ECDSA], ids=["rsa", "ed25519", "ecdsa"])
def test_a_file_may_hold_the_binary_form_of_pkcs8(key: Key, passphrase: str) -> None:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    der = key.private_bytes(serialization.Encoding.DER, PKCS8, lock)
    assert public_line(text_of_file(der), passphrase or None) == line_of(key)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_may_have_passed_through_an_editor_of_windows(encoding: str) -> None:
    text = text_of(ED25519).replace("\n", "\r\n")
    assert public_line(text_of_file(text.encode(encoding))) == line_of(ED25519)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "The file is empty"),
        (b" \r\n", "The file is empty"),
        (b"-----BEGIN PRIVATE KEY-----" * 1000, "larger than a key can be"),
        (b"\x30\x82 no key", "not a private key file"),
        (b"\x89PNG\r\n\x1a\n", "not a private key file"),
        (line_of(ED25519).encode(), "the public part of a key"),
        (line_of(ECDSA).encode(), "the public part of a key"),
        (b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", "the public part of a key"),
        (b"-----BEGIN CERTIFICATE-----\nMCow\n-----END CERTIFICATE-----\n", "not a private key file"),
    ],
)
def test_a_file_that_holds_no_private_key_is_refused_in_words(data: bytes, says: str) -> None:
    with pytest.raises(BadKeyError, match=says):
        public_line(text_of_file(data))


def test_a_passphrase_that_is_not_needed_does_no_harm() -> None:
    assert public_line(text_of(RSA), "not needed") == line_of(RSA)


def test_pasted_keys_may_have_blanks_around_and_windows_line_ends() -> None:
    assert public_line("\n  " + text_of(ED25519).replace("\n", "\r\n") + "\r\n ") == line_of(ED25519)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a private key"),
        ("hello", "not a private key"),
        (line_of(ED25519), "the public part of a key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "PuTTYgen"),
        (text_of(ED25519)[:120] + "\n-----END OPENSSH PRIVATE KEY-----", "damaged"),
        (text_of(RSA, PKCS8).replace("M", "N", 5), "damaged"),
        ("-----BEGIN PRIVATE KEY-----\n" + "A" * 30_000, "not a private key"),
        (text_of(rsa.generate_private_key(65537, 1024)), "at least 2048 bits"),
        (text_of(ec.generate_private_key(ec.SECP256K1()), PKCS8), "curve secp256k1"),
        (text_of(dsa.generate_private_key(1024), PKCS8), "Ed25519, ECDSA or RSA"),
    ],
)
def test_it_says_what_is_wrong_with_a_key(text: str, reason: str) -> None:
    with pytest.raises(BadKeyError, match=reason):
        public_line(text)


def test_a_generated_pair_belongs_together_and_hides_its_secret() -> None:
    pair = generate_key_pair("Piquet\nssh-rsa injected")
    assert pair.public == f"{public_line(pair.private)} Piquet ssh-rsa injected"
    assert "PRIVATE" not in repr(pair)


def test_lines_and_fingerprints_are_as_openssh_prints_them(tmp_path: Path) -> None:
    pair = generate_key_pair("a comment")
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(pair.private)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True).stdout
    assert fingerprint(signing_key(pair.private).asbytes()) == shown.split()[1]
    assert signing_key(pair.private).can_sign()
