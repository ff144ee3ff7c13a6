"""Names of what destinations are made of."""

from flask_babel import lazy_gettext as _l

from portal.delivery.models import CertificateCheck, Protocol, Writing

PROTOCOLS = {
    Protocol.SFTP.value: _l("SFTP"),
    Protocol.FTPS_EXPLICIT.value: _l("FTPS, explicit"),
    Protocol.FTPS_IMPLICIT.value: _l("FTPS, implicit"),
}
CHECKS = {
    CertificateCheck.SYSTEM.value: _l("By the usual authorities"),
    CertificateCheck.OWN_CA.value: _l("By an own authority"),
    CertificateCheck.PIN.value: _l("By its fingerprint, confirmed by you"),
}
WRITINGS = {
    Writing.HIDDEN.value: _l("A name with a dot in front"),
    Writing.SUFFIX.value: _l("A name with .tmp behind"),
    Writing.DIRECTORY.value: _l("A directory of its own"),
    Writing.DIRECT.value: _l("Its own name at once"),
}
PROTOCOL_TEXTS = {
    Protocol.SFTP.value: _l("Over SSH, port 22."),
    Protocol.FTPS_EXPLICIT.value: _l("FTP that turns to TLS, port 21."),
    Protocol.FTPS_IMPLICIT.value: _l("FTP within TLS, port 990."),
}
CHECK_TEXTS = {
    CertificateCheck.SYSTEM.value: _l("As browsers do. The name must be that of the server."),
    CertificateCheck.OWN_CA.value: _l("Of your utility or company; you paste its certificate."),
    CertificateCheck.PIN.value: _l("For certificates that nobody vouches for. A new one must be confirmed again."),
}
WRITING_TEXTS = {
    Writing.HIDDEN.value: _l("Then it is renamed: each file appears whole and exactly once."),
    Writing.SUFFIX.value: _l("The same, for servers that refuse names with a dot in front."),
    Writing.DIRECTORY.value: _l("The same, from a directory that nobody reads."),
    Writing.DIRECT.value: _l(
        "Only for servers that forbid renaming: a file can be read half-written, comes at least once instead of "
        "exactly once, and replaces one of its name."
    ),
}
