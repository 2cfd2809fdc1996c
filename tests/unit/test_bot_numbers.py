"""Numbers are read exactly or asked about, and written so that they cannot be misread."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.numbers import (
    BadAmount,
    format_amount,
    format_price,
    format_profit,
    format_quantity,
    parse_usdc,
)

LANGUAGES = st.sampled_from(["id", "en"])
AMOUNTS = st.decimals(min_value=0, max_value=10**12, places=2, allow_nan=False)
ANY_DECIMAL = st.decimals(
    min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("100", "100"),
        (" 100 ", "100"),
        ("100 USDC", "100"),
        ("100usdc", "100"),
        ("250.50", "250.50"),
        ("250,5", "250.5"),
        ("0.01", "0.01"),
        ("007", "7"),
        ("1000000", "1000000"),
    ],
)
def test_plain_amount_is_read_exactly(text: str, amount: str) -> None:
    assert parse_usdc(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "1.000",
        "1,000",
        "1.000,50",
        "1,000.50",
        "1.000.000",
        "1 000",
        "1'000",
        "12.345",
        "1.2.3",
        "1,",
    ],
)
def test_amount_that_could_be_two_numbers_is_asked_about(text: str) -> None:
    assert parse_usdc(text) is BadAmount.AMBIGUOUS


@pytest.mark.parametrize("text", ["-5", "−5", "- 1.000,50", "–100"])
def test_negative_amount_is_named(text: str) -> None:
    assert parse_usdc(text) is BadAmount.NEGATIVE


@pytest.mark.parametrize("text", ["0.500", "100.1234", "1000.500", "12,3456"])
def test_too_many_decimals_are_named(text: str) -> None:
    assert parse_usdc(text) is BadAmount.TOO_PRECISE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "nan",
        "1e30",
        "Infinity",
        "-inf",
        "seratus",
        "0x10",
        "١٠٠",
        "１００",
        "$100",
        "5%",
        "1_000",
    ],
)
def test_what_is_no_number_is_not_guessed(text: str) -> None:
    assert parse_usdc(text) is BadAmount.NOT_A_NUMBER


@given(st.text())
@example("9" * 4096)
def test_any_text_is_an_exact_amount_or_a_reason(text: str) -> None:
    amount = parse_usdc(text)
    if isinstance(amount, Decimal):
        assert amount.is_finite()
        assert amount >= 0
        exponent = amount.as_tuple().exponent
        assert isinstance(exponent, int)
        assert exponent >= -2


@given(AMOUNTS, st.sampled_from([".", ","]))
def test_amount_with_two_decimals_is_read_in_either_style(amount: Decimal, point: str) -> None:
    assert parse_usdc(f"{amount:.2f}".replace(".", point)) == amount


@given(AMOUNTS, LANGUAGES)
def test_amount_as_we_write_it_is_never_misread(amount: Decimal, language: str) -> None:
    read = parse_usdc(format_amount(amount, language))
    assert read == amount or (amount >= 1000 and read is BadAmount.AMBIGUOUS)


@given(ANY_DECIMAL, LANGUAGES)
def test_written_amount_is_within_half_a_cent(value: Decimal, language: str) -> None:
    written = format_amount(value, language, signed=True)
    plain = written.translate(str.maketrans(".,", ",.")) if language == "id" else written
    read = Decimal(plain.replace(",", ""))
    assert abs(read - value) <= Decimal("0.005")
    assert written.startswith("+") == (read > 0)
    assert written.startswith("-") == (read < 0)


@given(ANY_DECIMAL, LANGUAGES)
def test_written_quantity_has_no_needless_zeros(value: Decimal, language: str) -> None:
    written = format_quantity(value, language)
    point = "," if language == "id" else "."
    assert written != "-0"
    if point in written:
        assert not written.endswith(("0", point))


@pytest.mark.parametrize(
    ("value", "english", "indonesian"),
    [
        ("1234567.891", "1,234,567.89", "1.234.567,89"),
        ("-0.001", "0.00", "0,00"),
        ("-1234.5", "-1,234.50", "-1.234,50"),
    ],
)
def test_amount_is_written_as_the_language_does(value: str, english: str, indonesian: str) -> None:
    assert format_amount(Decimal(value), "en") == english
    assert format_amount(Decimal(value), "id") == indonesian


def test_price_below_one_keeps_the_digits_that_matter() -> None:
    assert format_price(Decimal("0.00001234"), "en") == "0.00001234"
    assert format_price(Decimal("84000.129"), "en") == "84,000.13"
    assert format_price(Decimal("0.5"), "id") == "0,5"


@pytest.mark.parametrize(
    ("value", "english", "indonesian"),
    [
        ("1234.5", "+1,234.50", "+1.234,50"),
        ("0.1", "+0.10", "+0,10"),
        ("-0.0127", "-0.0127", "-0,0127"),
        ("0.00004", "0.00", "0,00"),
        ("0", "0.00", "0,00"),
        ("-0.1", "-0.10", "-0,10"),
    ],
)
def test_profit_below_ten_cents_shows_its_fractions(
    value: str, english: str, indonesian: str
) -> None:
    assert format_profit(Decimal(value), "en") == english
    assert format_profit(Decimal(value), "id") == indonesian
