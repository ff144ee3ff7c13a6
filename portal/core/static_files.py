"""Style sheets, scripts and pictures of the portal: their address changes with their content, so that a browser keeps
them and asks for none of them again with each page."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

DAY = 86400
FOR_EVER = f"public, max-age={365 * DAY}, immutable"


def create(app: Flask) -> None:
    """Every `url_for("static", filename=...)` says the file's version. What is asked for by that address may be kept
    for ever; by that of another version, while an update goes on, not at all; by a bare one, as the style sheets name
    fonts, for a day."""
    folder = Path(str(app.static_folder))

    def say_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["v"] = version(folder / values["filename"])

    def keep(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code in {200, 304}:
            asked = request.args.get("v")
            if asked is not None:
                is_present = asked == version(folder / (request.view_args or {})["filename"])
                response.headers["Cache-Control"] = FOR_EVER if is_present else "no-cache"
        return response

    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = DAY
    app.url_defaults(say_version)
    app.after_request(keep)


@cache
def version(path: Path) -> str:
    """The beginning of the SHA-256 of the file, read once a process. FileNotFoundError where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
