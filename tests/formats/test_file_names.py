from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.formats.errors import FormatError, SettingsError
from portal.formats.file_names import (
    CSV_PATTERN,
    ESL_PATTERN,
    PLACEHOLDERS,
    FileNameParts,
    check_pattern,
    divided,
    file_name,
    reduced,
)

PARTS = FileNameParts(
    task="Zähler Süd / März",
    sender="piquet",
    period_start=date(2026, 2, 1),
    period_end=date(2026, 3, 1),
    created=datetime(2026, 3, 1, 4, 5, 6, tzinfo=ZoneInfo("Europe/Zurich")),
    revision=2,
    run=417,
)


def test_the_esl_name_is_that_of_the_field() -> None:
    assert file_name(ESL_PATTERN, PARTS) == "EdmRegisterWertExport_20260301_piquet_20260301040506.xml"


def test_the_csv_name_has_the_last_day() -> None:
    assert file_name(CSV_PATTERN, PARTS) == "Zaehler-Sued-Maerz_20260201_20260228_20260301040506.csv"


def test_every_placeholder() -> None:
    pattern = "_".join(f"{{{name}}}" for name in PLACEHOLDERS)
    parts = replace(PARTS, meter="LP 01", day=date(2026, 2, 3), extension="csv")
    assert file_name(pattern, parts) == (
        "Zaehler-Sued-Maerz_piquet_20260201_20260301_20260228_20260301_20260301040506_2_417_LP-01_20260203_csv"
    )


def test_a_name_holds_what_its_files_are_divided_by_and_no_more() -> None:
    check_pattern("{task}_{meter}.csv", ["meter"])
    for pattern, divided_by in (("{task}.csv", ["day"]), ("{meter}.csv", ["meter", "day"])):
        with pytest.raises(SettingsError, match="With several files"):
            check_pattern(pattern, divided_by)
    for pattern in ("{meter}.csv", "{day}.csv", "{task}.{extension}"):
        with pytest.raises(SettingsError, match="needs a file for each"):
            check_pattern(pattern)
    assert divided("{task}.csv", ["day", "meter"]) == "{task}_{meter}_{day}.csv"
    assert divided("{task}.{extension}", ["day", "extension"]) == "{task}_{day}.{extension}"
    assert divided("{task}.csv", []) == "{task}.csv"


def test_an_unknown_placeholder_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"\{password\} is not known.*\{task\}.*\{revision\}"):
        check_pattern("{task}_{password}.xml")


@pytest.mark.parametrize(
    "pattern",
    [
        "", "{}", "{task!r}", "{task.__class__}", "{task:>9}", "{{task}}", "{task", "a/b", "../x", ".x", "-x",
        "a b", "ä", "a\n", "a\\b", "a%00",
    ],
)  # fmt: skip
def test_it_refuses_bad_patterns(pattern: str) -> None:
    with pytest.raises(SettingsError):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Größe", "Groesse"),
        ("Gro\u0308ße", "Groesse"),
        ("Hôtel du Lac", "Hotel-du-Lac"),
        ("../../etc/passwd", "etc-passwd"),
        ("{sender}", "sender"),
        ("a\x00\r\nb", "a-b"),
        ("x" * 99, "x" * 60),
        ("车库", "ec2299d528cf"),
    ],
)
def test_user_text_is_reduced(text: str, name: str) -> None:
    assert reduced(text) == name


@settings(deadline=None)  # the machine may be busy
@given(st.text(), st.text())
def test_any_text_gives_an_allowed_name_and_always_the_same(task: str, sender: str) -> None:
    parts = replace(PARTS, task=task, sender=sender)
    name = file_name("{task}{sender}_{revision}", parts)
    assert re.fullmatch(r"[A-Za-z0-9_=+@][A-Za-z0-9._=+@-]{0,199}", name)
    assert name == file_name("{task}{sender}_{revision}", parts)


def test_a_pattern_cannot_come_out_hidden() -> None:
    unlucky = replace(PARTS, revision=-1)
    with pytest.raises(FormatError, match="cannot be a file name"):
        file_name("{revision}.csv", unlucky)


def test_a_name_over_200_characters_is_refused() -> None:
    with pytest.raises(FormatError, match="200"):
        file_name("{task}" * 4, replace(PARTS, task="x" * 60))
