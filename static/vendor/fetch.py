#!/usr/bin/env python3
"""Bring the pinned front-end packages from the npm registry into this folder.

Run it after changing a version in PACKAGES, look at the difference, commit the result. It needs `npm`;
the running product does not. Only what a page loads is kept, beside each package's licence. SHA256SUMS
lists every kept file (check with `sha256sum -c SHA256SUMS` in this folder).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import swiss_maps

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Package:
    """One pinned package: its npm name, version, SPDX licence, own folder, and the files kept as they are."""

    name: str
    version: str
    licence: str
    folder: str
    purpose: str
    files: tuple[str, ...]
    licence_text: str = ""  # only for a package that ships no licence file
    reduce: Callable[[bytes], bytes] | None = None  # what is kept of each file but the licence; None: all of it


# @tabler/core ships no licence file; its style sheet's head names these holders and the MIT licence.
TABLER_LICENCE = """The MIT License (MIT)

Copyright 2018-2026 The Tabler Authors
Copyright 2018-2026 codecalm.net Paweł Kuna

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
"""

PACKAGES = (
    Package(
        name="@tabler/core",
        version="1.6.1",
        licence="MIT",
        folder="tabler",
        purpose="style sheet",
        files=("dist/css/tabler.min.css",),
        licence_text=TABLER_LICENCE,
    ),
    Package(
        name="htmx.org",
        version="2.0.11",
        licence="0BSD",
        folder="htmx",
        purpose="partial page updates",
        files=("dist/htmx.min.js", "LICENSE"),
    ),
    Package(
        name="uplot",
        version="1.6.32",
        licence="MIT",
        folder="uplot",
        purpose="charts",
        files=("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    Package(
        name="@fontsource-variable/inter",
        version="5.3.0",
        licence="OFL-1.1",
        folder="inter",
        purpose="typeface, Latin and Latin extended",
        files=("files/inter-latin-wght-normal.woff2", "files/inter-latin-ext-wght-normal.woff2", "LICENSE"),
    ),
    Package(
        name="@fontsource/arimo",
        version="5.3.0",
        licence="OFL-1.1",
        folder="arimo",
        purpose="typeface of QR-bills: Liberation Sans under its other name, one of the four that the standard allows",
        files=(
            "files/arimo-latin-400-normal.woff2",
            "files/arimo-latin-700-normal.woff2",
            "files/arimo-latin-ext-400-normal.woff2",
            "files/arimo-latin-ext-700-normal.woff2",
            "LICENSE",
        ),
    ),
    Package(
        name="swiss-maps",
        version="4.7.0",
        licence="BSD-3-Clause; the borders: see below",
        folder="swiss-maps",
        purpose="outline, cantons and lakes of Switzerland, as of 2026",
        files=("2026/ch-combined.json", "LICENSE"),
        reduce=swiss_maps.reduced,
    ),
)


MAP_DATA = """The borders and lakes in `swiss-maps/` are data of the Federal Statistical Office, whose name has to stand by
them: *Source: Federal Statistical Office (BFS), GEOSTAT; swisstopo*. The map shows it. The package calls these data
non-commercial; their publisher offers them as *Open use. Must provide the source*
([Generalisierte Grenzen](https://opendata.swiss/en/dataset/generalisierte-grenzen)). Without the file no map is drawn,
and everything else works."""


def fetch(package: Package, downloads: Path) -> None:
    """Replace the package's folder by the wanted files of its pinned version; raise if one is missing."""
    pinned = f"{package.name}@{package.version}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(downloads), pinned]
    packed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - constants only
    archive = downloads / packed.stdout.split()[-1]
    target = HERE / package.folder
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    with tarfile.open(archive) as tar:
        for wanted in package.files:
            member = tar.extractfile(f"package/{wanted}")
            if member is None:
                raise FileNotFoundError(f"{package.name} {package.version} has no {wanted}")
            content = member.read()
            if package.reduce and wanted != "LICENSE":
                content = package.reduce(content)
            (target / Path(wanted).name).write_bytes(content)
    if package.licence_text:
        (target / "LICENSE").write_text(package.licence_text, encoding="utf-8")


def write_sums() -> None:
    """Write SHA256SUMS over the kept files, in the format of sha256sum."""
    kept = sorted(path for package in PACKAGES for path in (HERE / package.folder).iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(HERE)}" for path in kept]
    (HERE / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_readme() -> None:
    """Write README.md: what lies here, from where, under which licence."""
    rows = [f"| `{p.folder}/` | {p.name} | {p.version} | {p.licence} | {p.purpose} |" for p in PACKAGES]
    text = [
        "# Packages of others",
        "",
        "Written by `fetch.py` from the npm registry; the files are unchanged, but for the map, of which `swiss_maps.py`",
        "keeps three of five layers. Do not edit them here. `sha256sum -c SHA256SUMS` proves it. Each folder holds the",
        "licence of its package.",
        "",
        "| folder | npm package | version | licence | for |",
        "|---|---|---|---|---|",
        *rows,
        "",
        MAP_DATA,
    ]
    (HERE / "README.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            fetch(package, Path(folder))
    write_sums()
    write_readme()


if __name__ == "__main__":
    main()
