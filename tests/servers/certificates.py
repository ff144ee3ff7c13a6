"""An authority of the tests' own, and the certificates that servers show: sound ones and each kind of unsound one."""

import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """`pem` is the certificate with its key, as one file for a server; `fingerprint` as openssl prints it."""

    pem: str = field(repr=False)
    fingerprint: str

    def write(self, path: Path) -> Path:
        path.touch(mode=0o600)
        path.write_text(self.pem)
        return path


class Authority:
    """Issues certificates; `pem` is its own, to be trusted. Its certificate says nothing about key usage, as those of
    many companies: strict readers refuse that."""

    def __init__(self, name: str = "Tests") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(f"{name} authority")
        builder = _builder(self._name, self._name, self._key, -_DAY, 30 * _DAY)
        own = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = own.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self, address: str = "127.0.0.1", *, begins: timedelta = -_DAY, ends: timedelta = _DAY * 20
    ) -> Certificate:
        """For an address or a host name, valid from `begins` to `ends` from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(address), self._name, key, begins, ends)
        builder = builder.add_extension(_alternative(address), critical=False)
        return _with_key(builder.sign(self._key, hashes.SHA256()), key)


def self_signed(address: str = "127.0.0.1") -> Certificate:
    """A certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_named(address), _named(address), key, -_DAY, 20 * _DAY)
    return _with_key(builder.add_extension(_alternative(address), critical=False).sign(key, hashes.SHA256()), key)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(address: str) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    except ValueError:
        return x509.SubjectAlternativeName([x509.DNSName(address)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: timedelta, ends: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )


def _with_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(encoding, form, serialization.NoEncryption())
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    fingerprint = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    return Certificate((private + certificate.public_bytes(encoding)).decode(), fingerprint)
