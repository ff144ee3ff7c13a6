from __future__ import annotations

from portal.formats.amounts import REMEMBERED_AMOUNTS, Amounts


def test_an_amount_is_written_once() -> None:
    amounts = Amounts(3, ",")
    first = amounts[12_345_678]
    assert first == "12345,678"
    assert amounts[12_345_678] is first


def test_it_never_holds_more_than_it_says() -> None:
    amounts = Amounts(4)
    assert [amounts[wh] for wh in range(REMEMBERED_AMOUNTS + 2)][-1] == "65.5370"
    assert 0 < len(amounts) < 10
    assert amounts[1] == "0.0010"
