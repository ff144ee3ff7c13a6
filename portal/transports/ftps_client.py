"""An FTP connection with TLS on both channels: a judged address, a judged certificate, and only then the login.

ftplib's own FTP_TLS opens a new TLS session for data, which vsftpd and ProFTPD refuse, leaves small packets to Nagle's
algorithm (3 to 13 times slower for small files), and dials by itself; here all three are different.
"""

import contextlib
import ftplib
import ipaddress
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from portal.transports import DeliveryError, StepName, fit_to_show
from portal.transports.addresses import Judged, dial
from portal.transports.certificates import SeenCertificate, check_pin, context_for, read
from portal.transports.targets import FtpsTarget

_LONGEST_ANSWER = 65_536  # bytes to one command
_KEPT_ANSWERS = 8
_KEPT_NAMES = 4096  # bytes of the names in a directory
_PORTS = ("227", "229")  # answers that name a port for data
_PIECE = 262_144  # bytes handed to TLS at once
_LOWEST_DATA_PORT = 1024  # below are services that no passive connection leads to
_FAREWELL = 3.0  # seconds that the end of a data channel may take; the answer 226 decides, not this


class Refusal(OSError):
    """The server's no to one command. `permanent` by its code: 4xx is worth another try, and so is 552, a full disk."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.code = int(answer[:3]) if answer[:3].isdigit() else 0
        self.permanent = self.code >= 500 and self.code != 552


class Client(ftplib.FTP_TLS):
    """One control connection. Every public method raises DeliveryError, but for `command` and `store`, which raise
    Refusal and what the network raises, for `mapped` to turn into one.

    An answer may take the target's timeout as a whole, however the server lets it drip.
    """

    def __init__(self, target: FtpsTarget, *, any_certificate: bool = False) -> None:
        super().__init__(context=self._context(target, any_certificate), timeout=target.reach.timeout)
        self.target = target
        self.host = target.host.removeprefix("[").removesuffix("]").rstrip(".")
        self._buffer = bytearray()
        self._heard = deque[str](maxlen=_KEPT_ANSWERS)
        self._answered = 0
        self._deadline = 0.0
        self._peer: Judged | None = None
        self._session: ssl.SSLSession | None = None

    @staticmethod
    def _context(target: FtpsTarget, any_certificate: bool) -> ssl.SSLContext:
        try:
            return context_for(target, any_certificate=any_certificate)
        except ssl.SSLError as error:
            raise DeliveryError(
                "certificate", "The authorities entered for this destination cannot be read.", permanent=True
            ) from error

    @contextlib.contextmanager
    def mapped(self, step: StepName) -> Iterator[None]:
        """Turns what the server and the network raise inside it into a DeliveryError of that step."""
        try:
            yield
        except DeliveryError:
            raise
        except Refusal as error:
            if error.code == 421:
                raise DeliveryError(
                    step, "The server ended the connection: %(words)s", words=self._words(error)
                ) from error
            raise DeliveryError(
                step, "The server answered: %(words)s", permanent=error.permanent, words=self._words(error)
            ) from error
        except TimeoutError as error:
            raise DeliveryError(step, "The server did not answer in time.") from error
        except (EOFError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise DeliveryError(step, "The server ended the connection.") from error
        except (ftplib.Error, OSError) as error:
            raise DeliveryError(step, "The server answered: %(words)s", words=self._words(error)) from error

    def _words(self, error: BaseException) -> str:
        """What the server said, fit for a page and a log line: printable, at most 300 characters, and without the
        password, should a server repeat it."""
        said = str(error) or type(error).__name__
        if self.target.password:
            said = said.replace(self.target.password, "…")
        return fit_to_show(said)

    def said(self) -> list[str]:
        """What the server answered with a yes (2xx) since the last call, the last few; not what only names a port."""
        heard = [self._words(ValueError(answer)) for answer in self._heard]
        self._heard.clear()
        return [words for words in heard if words.startswith("2") and not words.startswith(_PORTS)]

    def getresp(self) -> str:
        answer = super().getresp()
        self._heard.append(answer)
        return answer

    def dial(self, where: tuple[Judged, ...]) -> None:
        """Connects to one of the judged addresses, which is that of every data connection too."""
        self.sock = dial(where, self.target.reach)
        self.af = self.sock.family
        reached = ipaddress.ip_address(self.sock.getpeername()[0].partition("%")[0])
        self._peer = next(address for address in where if address.ip == reached)
        if not self.target.implicit:
            with self.mapped("connect"):
                self._welcomed()

    def _welcomed(self) -> None:
        self._expect_answer()
        try:
            self.welcome = self.getresp()
        except (ftplib.error_temp, ftplib.error_perm) as error:
            raise Refusal(str(error)) from error
        except ftplib.error_proto as error:
            raise DeliveryError(
                "connect", "The server does not answer as FTP: %(words)s", words=self._words(error)
            ) from error

    def secure(self) -> None:
        """Turns the connection to TLS, on every server: there is no way back to clear text."""
        if not self.target.implicit:
            with self.mapped("certificate"):
                try:
                    self.command("AUTH TLS")
                except Refusal as error:
                    if error.permanent:
                        raise DeliveryError(
                            "certificate", "The server does not offer TLS: %(words)s", permanent=True,
                            words=self._words(error),
                        ) from error  # fmt: skip
                    raise
            if self._buffer:
                raise DeliveryError("certificate", "The server spoke before the encryption began.", permanent=True)
        self._shake_hands()
        if self.target.implicit:
            with self.mapped("connect"):
                self._welcomed()

    def _shake_hands(self) -> None:
        with self.mapped("certificate"):
            try:
                self._control.settimeout(self.target.reach.timeout)
                self.sock = self.context.wrap_socket(self._control, server_hostname=self.host)
            except ssl.SSLCertVerificationError as error:
                raise DeliveryError(
                    "certificate", "The certificate of the server does not pass: %(words)s", permanent=True,
                    words=self._words(ValueError(error.verify_message)),
                ) from error  # fmt: skip
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise
            except ssl.SSLError as error:
                raise DeliveryError(
                    "certificate", "No TLS with this server: %(words)s", permanent=True,
                    words=self._words(ValueError(error.reason or error)),
                ) from error  # fmt: skip

    def seen(self) -> SeenCertificate:
        """What the server shows."""
        try:
            return read(self._certificate(self.sock))
        except ValueError as error:
            raise DeliveryError(
                "certificate", "The certificate of the server cannot be read.", permanent=True
            ) from error

    def check_certificate(self) -> SeenCertificate:
        """Passes where the target's trust is met. Its authorities were asked by `secure`; a pin is compared here."""
        check_pin(self.target, self._certificate(self.sock))
        return self.seen()

    @property
    def _control(self) -> socket.socket:
        assert self.sock is not None
        return self.sock

    @staticmethod
    def _certificate(connection: Any) -> bytes:
        assert isinstance(connection, ssl.SSLSocket)
        return connection.getpeercert(binary_form=True) or b""

    @property
    def version(self) -> str:
        """Of TLS, such as "TLSv1.3"."""
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.sock.version() or "TLS"

    @property
    def cipher(self) -> str:
        """Of TLS, such as "TLS_AES_256_GCM_SHA384"."""
        assert isinstance(self.sock, ssl.SSLSocket)
        return (self.sock.cipher() or ("",))[0]

    def log_in(self) -> None:
        """Sends the secrets, so the certificate is judged before; then has the data channel encrypted as well."""
        password = self.target.password
        if password is None:
            raise DeliveryError("login", "There is no password.", permanent=True)
        if not password.isprintable() or not self.target.username.isprintable():
            raise DeliveryError("login", "FTP takes no line breaks in a user name or password.", permanent=True)
        with self.mapped("login"):
            try:
                answer = self.command(f"USER {self.target.username}")
                if answer.startswith("3"):
                    answer = self.command(f"PASS {password}")
            except Refusal as error:
                if error.code != 530:
                    raise
                raise DeliveryError(
                    "login", "The server refused the user name %(name)s or its secret: %(words)s", permanent=True,
                    name=self.target.username, words=self._words(error),
                ) from error  # fmt: skip
            if not answer.startswith("2"):
                raise DeliveryError(
                    "login", "The server asks for one more way to log in: %(ways)s.", permanent=True,
                    ways=self._words(ValueError(answer)),
                )  # fmt: skip
            for command in ("PBSZ 0", "PROT P", "TYPE I"):
                self.command(command)

    def command(self, line: str) -> str:
        """The server's answer to a command. Refusal for 4xx and 5xx; ValueError for line breaks."""
        try:
            return self.sendcmd(line)
        except (ftplib.error_temp, ftplib.error_perm) as error:
            raise Refusal(str(error)) from error

    def store(self, path: str, chunks: Iterable[bytes]) -> None:
        """Writes a file. What `chunks` raises passes, and the connection can be used on."""
        with contextlib.ExitStack() as opened:
            plain = opened.enter_context(self._data_connection())
            self._begin(f"STOR {path}")
            try:
                channel = opened.enter_context(
                    self.context.wrap_socket(plain, server_hostname=self.host, session=self._resumed())
                )
                check_pin(self.target, self._certificate(channel))
                self._send(channel, chunks)
                self._say_farewell(channel)
            except OSError as error:
                plain.close()
                self._ask_why(error)
            except BaseException:
                opened.close()  # without the end that TLS has for files that are whole
                with contextlib.suppress(OSError, EOFError, ftplib.Error):
                    self._answer()
                raise
        self._answer()

    def names(self, path: str) -> list[str]:
        """Names in a directory as NLST brings them, the first ones of many. All of them are read, within the target's
        timeout: servers mind an end before theirs in ways of their own."""
        with contextlib.ExitStack() as opened:
            plain = opened.enter_context(self._data_connection())
            self._begin(f"NLST {path}".rstrip())
            channel = opened.enter_context(
                self.context.wrap_socket(plain, server_hostname=self.host, session=self._resumed())
            )
            check_pin(self.target, self._certificate(channel))
            received = self._receive(channel)
            self._say_farewell(channel)
        self._answer()
        return received.decode("utf-8", "replace").splitlines()[: -1 if len(received) >= _KEPT_NAMES else None]

    def _receive(self, channel: ssl.SSLSocket) -> bytes:
        received, ends_at = b"", time.monotonic() + self.target.reach.timeout
        with contextlib.suppress(ssl.SSLEOFError, ConnectionError):  # servers that just hang up at the end
            while piece := channel.recv(_PIECE):
                received = (received + piece)[:_KEPT_NAMES]
                if time.monotonic() > ends_at:
                    raise TimeoutError
        return received

    def _resumed(self) -> ssl.SSLSession | None:
        """The session of the control connection: one for good in TLS 1.2, and the latest ticket in TLS 1.3. To ask
        for it copies it with its certificates, a tenth of what a small file costs."""
        assert isinstance(self.sock, ssl.SSLSocket)
        if self._session is None or self.version != "TLSv1.2":
            self._session = self.sock.session
        return self._session

    def _data_connection(self) -> socket.socket:
        """To the port that the server names, and to the address of the control connection whatever it names: that is
        what helps with servers behind NAT, and what keeps a server from sending us elsewhere."""
        assert self._peer is not None
        if self._peer.ip.version == 4:
            port = ftplib.parse227(self.command("PASV"))[1]
        else:
            port = ftplib.parse229(self.command("EPSV"), self._control.getpeername())[1]
        if port < _LOWEST_DATA_PORT:
            raise DeliveryError(
                "write", "The server names port %(port)s for data, which is not allowed.", permanent=True, port=port
            )
        address, *rest = self._peer.sockaddr
        where = Judged(self._peer.family, (address, port, *rest[1:]))
        try:
            return dial((where,), self.target.reach)
        except DeliveryError as error:
            raise DeliveryError(
                "write", "The data connection to port %(port)s of the server does not open: a firewall may be in "
                "between.", port=port,
            ) from error  # fmt: skip

    def _begin(self, line: str) -> None:
        answer = self.command(line)
        if answer.startswith("2"):  # some servers answer 200 before 150
            answer = self._answer()
        if not answer.startswith("1"):
            raise Refusal(answer)

    @staticmethod
    def _send(channel: ssl.SSLSocket, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            whole = memoryview(chunk)
            for start in range(0, len(whole), _PIECE):
                channel.sendall(whole[start : start + _PIECE])

    @staticmethod
    def _say_farewell(channel: ssl.SSLSocket) -> None:
        """Ends TLS as it should be; servers that just hang up are common, and their answer decides."""
        channel.settimeout(_FAREWELL)
        with contextlib.suppress(OSError):
            channel.unwrap()

    def _ask_why(self, error: OSError) -> None:
        """The data channel broke: raises the server's reason, where it gives one, else the error itself."""
        if isinstance(error, TimeoutError):
            raise error
        try:
            self._answer()
        except Refusal:
            raise
        except (OSError, EOFError, ftplib.Error):
            raise error from None
        raise error

    def _answer(self) -> str:
        """An answer that comes by itself, such as 226 after a file. Refusal."""
        self._expect_answer()
        try:
            return self.getresp()
        except (ftplib.error_temp, ftplib.error_perm) as error:
            raise Refusal(str(error)) from error

    def putline(self, line: str) -> None:
        self._expect_answer()
        super().putline(line)

    def _expect_answer(self) -> None:
        self._answered = 0
        self._deadline = time.monotonic() + self.target.reach.timeout

    def getline(self) -> str:
        """One line of an answer. TimeoutError, EOFError, or ftplib's error for an answer that does not end."""
        while (end := self._buffer.find(b"\n")) < 0:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._control.settimeout(left)
            received = self._control.recv(4096)
            if not received:
                raise EOFError
            self._answered += len(received)
            if self._answered > _LONGEST_ANSWER:
                raise ftplib.error_proto("an answer without an end")
            self._buffer += received
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def close(self) -> None:
        """Says goodbye without waiting for an answer."""
        with contextlib.suppress(OSError, EOFError, ftplib.Error, AttributeError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(1)
                self.putcmd("QUIT")
        with contextlib.suppress(OSError):
            super().close()
