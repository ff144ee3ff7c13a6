"""What the demo runs in: its settings, its drop box, and what it tells the newcomer."""

import secrets
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from portal.accounts import passwords
from portal.core.config import Settings
from portal.core.errors import N_, SettingsError
from portal.demo.dates import Shift

PASSWORD = passwords.OF_THE_DEMO
DROP_BOX_USER = "utility"
DROP_BOX_PORTS = range(20022, 32000)  # below those that the system lends to outgoing connections

NOTICE = N_(
    "Demo with real sessions of a housing cooperative in Trondheim (A. L. Sørensen et al., CC BY 4.0), moved by "
    "%(weeks)s weeks: %(first)s to %(last)s."
)


class Login(NamedTuple):
    email: str
    name: str
    what: str


LOGINS = (
    Login("operator@demo.example", "Platform operator", "the platform's operator: accounts, licences, mail"),
    Login("master@demo.example", "Master account", "owns every station; shares station group Bl2"),
    Login("manage@demo.example", "Managing sub-account", "may edit Bl2 (Manage stations), sees AsO8 without drivers"),
    Login("display@demo.example", "Viewing sub-account", "sees Bl2 read-only (Display stations)"),
    Login("piquet1@demo.example", "Piquet member 1", "member of user group Piquet"),
    Login("piquet2@demo.example", "Piquet member 2", "member of user group Piquet"),
    Login("stranger@demo.example", "Stranger", "sees nothing of it but the offer of one station"),
)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process of the demo: deliveries may go to loopback and nowhere else. What the
    environment says itself stays."""
    given = {"DEMO": "1", "DELIVERY_ALLOWED_NETWORKS": "127.0.0.1/32"}
    data_dir = str(Path(environ.get("DATA_DIR") or "var/demo").absolute())
    return {**given, **environ, "DATA_DIR": data_dir}


def with_drop_box(data_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the drop box's port allowed. Only the process that holds the data's lock may ask: a port
    that another program has taken since the last start is changed."""
    (data_dir / "drop-box").mkdir(mode=0o700, exist_ok=True)
    kept = data_dir / "drop-box-port"
    if not kept.exists() or not _is_free(int(kept.read_text())):
        # By chance, so that two demos that start at once do not take the same one.
        kept.write_text(str(next(port for port in iter(lambda: secrets.choice(DROP_BOX_PORTS), 0) if _is_free(port))))
    return {"DELIVERY_ALLOWED_PORTS": kept.read_text(), **environ}


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def drop_box_port(data_dir: Path) -> int:
    """The loopback port of this demo's drop box, which its destination names."""
    return int((data_dir / "drop-box-port").read_text())


def drop_box_password(data_dir: Path) -> str:
    """The drop box's password, made once."""
    kept = data_dir / "drop-box-password"
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(18))
    return kept.read_text()


def wait_for_drop_box(data_dir: Path) -> None:
    """Return once the drop box takes connections; SettingsError after ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", drop_box_port(data_dir)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SettingsError("The demo's drop box did not start; the reason stands above.")


def drop_box_command(data_dir: Path) -> list[str]:
    drop_box_password(data_dir)
    command = [sys.executable, "-m", "portal.transports.drop_box", "--root", str(data_dir / "drop-box")]
    command += ["--port", str(drop_box_port(data_dir)), "--host-key", str(data_dir / "drop-box-host-key")]
    return [*command, "--username", DROP_BOX_USER, "--password-file", str(data_dir / "drop-box-password")]


def notice(shift: Shift) -> str:
    """What the demo says about its data, in the terminal."""
    return NOTICE % {"weeks": shift.weeks, "first": shift.first_day, "last": shift.last_day}


def welcome(settings: Settings, shift: Shift) -> str:
    """What a newcomer needs: address, log-ins, where delivered files appear."""
    width = max(len(login.email) for login in LOGINS)
    logins = "\n".join(f"    {login.email:<{width}}  {login.what}" for login in LOGINS)
    return f"""
Piquet is ready:  {settings.public_url}

  Log in with the password {PASSWORD} as one of
{logins}

  Delivered files appear in  {settings.data_dir / "drop-box"}
  {notice(shift)}
  Ctrl-C stops everything; the data stay in {settings.data_dir}.
"""
