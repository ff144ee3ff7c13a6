"""Places on servers, as transports need them."""

from dataclasses import dataclass, field, replace
from typing import Literal

from portal.transports.addresses import Reach

Trust = Literal["system", "own_ca", "pin"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A directory on a server, and how files are written there. Its repr never shows a secret.

    `directory` starts at the login directory unless it begins with "/"; empty is the login directory itself; with
    `make_directory` it is made where it is missing. A file is written aside in `temporary_directory` where one is
    given, else beside its place; `direct` writes at once under the final name. With `done_suffix` an empty file of
    the final name and that suffix says, after the rename, that the file is whole. `hidden`: the server takes names
    with a dot in front.
    """

    host: str
    port: int
    username: str
    directory: str = ""
    password: str | None = field(default=None, repr=False)
    reach: Reach = field(default_factory=Reach)
    make_directory: bool = False
    temporary_directory: str = ""
    direct: bool = False
    done_suffix: str = ""
    hidden: bool = True

    @property
    def server(self) -> "Target":
        """The server and login alone: targets that share them can share a session."""
        return replace(
            self, directory="", make_directory=False, temporary_directory="", direct=False, done_suffix="", hidden=True
        )

    @property
    def aside(self) -> str:
        """The directory of temporary files."""
        return self.temporary_directory or self.directory


@dataclass(frozen=True, kw_only=True)
class SftpTarget(Target):
    """With a private key, the password is only used where the server asks for both. `host_key_type` is as in a
    known_hosts file ("ssh-ed25519"), `host_key_fingerprint` as OpenSSH prints it ("SHA256:..."). `legacy` is for
    servers that know SHA-1 alone."""

    port: int = 22
    private_key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    host_key_type: str | None = None
    host_key_fingerprint: str | None = None
    legacy: bool = False


@dataclass(frozen=True, kw_only=True)
class FtpsTarget(Target):
    """`implicit` is TLS from the first byte (990), else AUTH TLS (21). `trust` says what the certificate is judged by:
    this machine's authorities, those of `own_ca` (PEM), or `pin`, its SHA-256 as openssl prints it ("AB:CD:...")."""

    port: int = 21
    implicit: bool = False
    trust: Trust = "system"
    own_ca: str = field(default="", repr=False)
    pin: str | None = None
