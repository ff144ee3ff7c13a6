"""An owner at a real web server, who presses buttons while it may die under his finger."""

import contextlib
import http.client
import http.cookiejar
import re
import urllib.parse
import urllib.request

from tests.world import PASSWORD


class Owner:
    """Somebody's browser, logged in by the form. `press` returns whether an answer came."""

    def __init__(self, url: str, email: str) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._url, self._open = url, urllib.request.build_opener(jar).open
        page = self._post("/log-in", self._token("/log-in"), email=email, password=PASSWORD)
        assert "/log-in" not in page, page

    def press(self, path: str) -> bool:
        """POST of a form with nothing but its token. An answer that says no is an answer as well."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._post(path, self._token("/exports/tasks"))
            return True
        return False

    def _token(self, path: str) -> str:
        with self._open(self._url + path, timeout=20) as answer:
            found = re.search(r'name="csrf-token" content="([^"]+)"', answer.read().decode())
        assert found, path
        return found[1]

    def _post(self, path: str, token: str, **fields: str) -> str:
        """The address that the answer leads to."""
        body = urllib.parse.urlencode({"csrf_token": token, **fields}).encode()
        with self._open(self._url + path, data=body, timeout=20) as answer:
            return str(answer.url)
