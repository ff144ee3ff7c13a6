"""Certificates of FTPS servers: how a target judges them, and what people compare."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from portal.transports import DeliveryError, PeerChangedError
from portal.transports.targets import FtpsTarget

_LARGEST_CA_TEXT = 100_000  # characters; a chain of ten takes 20,000


class BadCertificateError(ValueError):
    """This is no list of certificates in PEM; the text says what to do and is a gettext key."""


@dataclass(frozen=True)
class SeenCertificate:
    """What a server shows of itself: `fingerprint` is the SHA-256 as openssl and browsers print it."""

    fingerprint: str
    subject: str
    issuer: str
    begins: datetime
    ends: datetime


def read(der: bytes) -> SeenCertificate:
    """What a certificate says. ValueError where it cannot be read."""
    certificate = x509.load_der_x509_certificate(der)
    return SeenCertificate(
        fingerprint(der),
        _printable(certificate.subject.rfc4514_string()),
        _printable(certificate.issuer.rfc4514_string()),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def fingerprint(der: bytes) -> str:
    """AB:CD:..., 32 bytes."""
    return hashlib.sha256(der).digest().hex(":").upper()


def own_ca(text: str) -> str:
    """The certificates of a text, as PEM and nothing else. BadCertificateError."""
    if "PRIVATE KEY" in text:
        raise BadCertificateError("This is a private key. Only certificates belong here.")
    try:
        found = x509.load_pem_x509_certificates(text[:_LARGEST_CA_TEXT].encode())
    except ValueError:
        raise BadCertificateError(
            "These are no certificates in PEM: they begin with -----BEGIN CERTIFICATE-----."
        ) from None
    return "".join(ssl.DER_cert_to_PEM_cert(each.public_bytes(Encoding.DER)) for each in found)


def context_for(target: FtpsTarget, *, any_certificate: bool = False) -> ssl.SSLContext:
    """How TLS is spoken with the target: 1.2 or newer, and the certificate judged as it says. A pin is for
    `check_pin`; with `any_certificate` nothing is judged, to look at it alone."""
    own = target.own_ca if target.trust == "own_ca" else None
    context = ssl.create_default_context(cadata=own)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if own is not None:
        # Python 3.13 refuses authorities without key usage, which many companies have.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if target.trust == "pin" or any_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_pin(target: FtpsTarget, der: bytes) -> None:
    """Passes unless the target is pinned to another certificate or to none yet. DeliveryError, permanent."""
    if target.trust != "pin":
        return
    seen = fingerprint(der)
    if not target.pin:
        raise DeliveryError(
            "certificate", "No certificate is confirmed yet. The server shows %(shown)s.", permanent=True, shown=seen
        )
    if seen != target.pin:
        raise PeerChangedError(
            "certificate", "The server shows another certificate than the confirmed one. Confirmed: %(confirmed)s. "
            "Shown: %(shown)s. Nothing was sent.", target.pin, seen, confirmed=target.pin, shown=seen,
        )  # fmt: skip


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300]
