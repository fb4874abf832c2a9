"""Numbers in text."""

import http
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.jobs.numbers import to_count, to_decimal, to_number, to_whole

NEITHER = ["", " ", "1 ", " 1", "1_0", "٣", "0x1", "one", "1,5", "--1", "+", "9" * 5000, True, None, [], b"1"]


@pytest.mark.parametrize(
    ("value", "number"),
    [("0", 0), ("2.5", 2.5), ("7.", 7), (".5", 0.5), ("+3", 3), ("-3", -3), ("25e-1", 2.5), ("1E3", 1000), (7, 7)],
)
def test_numbers(value, number):
    """Decimal notation with sign, fraction and exponent; and numbers themselves."""
    found = to_number(value)
    assert (found, type(found)) == (number, float)


@pytest.mark.parametrize(
    "value", [*NEITHER, ".", "e5", "nan", "inf", "-inf", "1e999", math.nan, math.inf, 10**400, 1 + 0j]
)
def test_not_a_number(value):
    """Whatever is not finite, or is not written in ASCII digits alone, is refused; so are booleans."""
    with pytest.raises(ValueError, match="number"):
        to_number(value)


def test_minus_zero_is_zero():
    """Its sign would be shown where it means nothing."""
    assert [math.copysign(1, to_number(value)) for value in ("-0", -0.0)] == [1, 1]


@pytest.mark.parametrize(
    ("value", "number"), [("0", 0), ("+12", 12), ("-12", -12), (12, 12), (http.HTTPStatus(429), 429)]
)
def test_whole_numbers(value, number):
    """Digits with a sign, at most 18 of them; and integers themselves."""
    found = to_whole(value)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("value", [*NEITHER, "1.0", "1e3", "9" * 19, 1.0])
def test_not_a_whole_number(value):
    """Fractions and exponents are refused, also where they would be whole."""
    with pytest.raises(ValueError, match="is not a whole number"):
        to_whole(value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**18) + 1, 10**18 - 1))
def test_what_python_writes_is_read(number, whole):
    """Text made from a number stands for that number."""
    assert to_number(repr(number)) == number
    assert to_whole(str(whole)) == whole


@given(st.text())
def test_any_text(text):
    """Any other text is refused, and what is taken is what ``float`` makes of it."""
    try:
        number = to_number(text)
    except ValueError:
        return
    assert number == float(text)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0.0), ("30", 30.0), ("2.5", 2.5), ("007", 7.0), ("9" * 12, 1e12 - 1)]
)
def test_decimal_numbers(text, number):
    """Digits, and a point between them."""
    assert to_decimal(text) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "nan", "1e9", "1_0", " 1", "1 ", "1.", ".5", "\u0663", "9" * 13, "1\n"]
)
def test_text_that_is_no_decimal_number(text):
    """No sign, no exponent, no space, no other digits, and a bounded length."""
    with pytest.raises(ValueError, match="is not a decimal number"):
        to_decimal(text)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("0100", 100), ("1000", 1000)])
def test_counts(text, number):
    """Digits alone."""
    assert to_count(text, 1, 1000) == number


@pytest.mark.parametrize("text", ["", "0", "1001", "00100", "-1", "+1", "1.0", " 1", "\u0663", "9" * 5000])
def test_text_that_is_no_count(text):
    """Nor one outside the bounds, nor with more digits than the largest."""
    with pytest.raises(ValueError, match="is not a whole number from 1 to 1000"):
        to_count(text, 1, 1000)
