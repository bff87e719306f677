"""Which cells can hold something at all: vectorised, and never wrong in that direction.

The patterns are in the syntax of Rust's regex, which has no look-around.
"""

from typing import TYPE_CHECKING

from .text import ODD

if TYPE_CHECKING:
    import polars as pl

_SHAPES = (
    r"[0-9](?:[ ./()-]{0,3}[0-9]){6}",  # any number of seven digits, however it is grouped
    r"[^\x00-\x20]@[^\x00-\x20]",  # e-mail
    r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",  # IPv4
    r"::|(?:[0-9A-Fa-f]{1,4}:){5}",  # IPv6, MAC
    r"(?:[0-9A-Fa-f]{2}-){5}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",  # MAC
    r"AKIA|ASIA|gh[pousr]_|github_pat_|AIza|eyJ|xox[abeoprs]-|PRIVATE KEY",
    r"[A-Za-z]{2}[0-9]{2}[ -]?[0-9A-Za-z]{4}[ -]?[0-9A-Za-z]{4}[ -]?[0-9A-Za-z]{3}",  # IBAN
    r"[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}",  # codice fiscale
    r"[A-Za-z]{4}[0-9]{6}[HMhm]",  # CURP
    r"[0-9]{6}[A-FU-Y][0-9]{3}",  # HETU
    r"%[0-9A-Fa-f]{2}",
)
ASCII_GATE = "|".join(_SHAPES)
ANY_GATE = ASCII_GATE.replace("0-9", r"\d")
"""For normalised text, where the digits of other scripts are still themselves."""
_INVISIBLE = (
    r"[[\p{Cf}\p{Cc}\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}-\u{180f}\u{3164}"
    r"\u{fe00}-\u{fe0f}]--[\t\n\r]]"
)
_DASHES = r"[\u{2010}-\u{2015}\u{2043}\u{2212}]"
_NUMBER = r"^[ \t]*-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?[ \t\r]*$"
_INTEGER = r"^[0-9]{7,19}$"
# Whole cells that are a random identifier (unless they start like an IBAN) or a point in time.
_OPAQUE = (
    r"^(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|"
    r"[0-9A-Fa-f]{64})$"
)
_LETTERS = r"(?:[A-Fa-f][^A-Fa-f]*){8}"
_TIME = (
    r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)


def split_numbers(text: "pl.Series") -> "tuple[pl.Series, pl.Series, pl.Series]":
    """Split text cells into those that are nothing but a number and the others.

    Returns:
        Row indices and digits (7 to 19 each) of whole positive numbers; mask of the other cells.
    """
    import polars as pl

    mask = text.str.contains(_NUMBER).fill_null(value=False)
    rows = mask.arg_true()
    plain = text.gather(rows).str.strip_chars().str.replace(r"\.0*$", "")
    exponent = plain.str.contains("[eE]")
    if exponent.any():
        # A wide integer column that passed through floats: 4.111111111111111e15.
        value = plain.cast(pl.Float64, strict=False)
        exact = value.is_finite() & (value == value.floor()) & value.is_between(1e6, 2.0**53)
        whole = value.set(~exact.fill_null(value=False), 0.0).cast(pl.Int64).cast(pl.String)
        plain = whole.zip_with(exponent, plain)
    whole_number = plain.str.contains(_INTEGER)
    return rows.filter(whole_number), plain.filter(whole_number), ~mask & text.is_not_null()


def digits_of(series: "pl.Series") -> "tuple[pl.Series, pl.Series]":
    """Return row indices and digits of the positive whole numbers of 7 to 19 digits."""
    import polars as pl

    if series.dtype.is_float():
        value = series.cast(pl.Float64)
        usable = value.is_between(1e6, 2.0**53) & (value == value.floor())
    else:
        usable = series >= 1_000_000 if _reaches(series) else pl.Series([False] * len(series))
    rows = usable.fill_null(value=False).arg_true()
    chosen = series.gather(rows)
    if series.dtype.is_float():
        chosen = chosen.cast(pl.Int64)
    digits = chosen.cast(pl.String)
    fits = digits.str.contains(_INTEGER)
    return rows.filter(fits), digits.filter(fits)


def _reaches(series: "pl.Series") -> bool:
    """Whether the column's type can hold seven digits."""
    import polars as pl

    return series.dtype not in (pl.Int8, pl.UInt8, pl.Int16, pl.UInt16)


def may_hold(text: "pl.Series", mask: "pl.Series") -> "pl.Series":
    """Return the indices of the cells under `mask` that can hold something."""
    rows = mask.arg_true()
    cells = text.gather(rows)
    passes = cells.str.contains(ASCII_GATE)
    harmless = cells.str.contains(_OPAQUE) & cells.str.contains(_LETTERS)
    harmless &= ~cells.str.contains(r"^[A-Za-z]{2}[0-9]{2}")
    passes &= ~(harmless | cells.str.contains(_TIME))
    odd = cells.str.contains(ODD)
    if odd.any():
        folded = cells.filter(odd).str.normalize("NFKC").str.replace_all(_DASHES, "-")
        folded = folded.str.replace_all(_INVISIBLE, "")
        odd_rows = odd.arg_true().filter(folded.str.contains(ANY_GATE))
        passes = passes.scatter(odd_rows, True)  # noqa: FBT003  a value, not a switch
    return rows.filter(passes)
