"""Reports of parts add up to the report of the whole, and no value is ever in one."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govprune.data.pii import PiiReport, merge, scan_file, scan_frame
from govprune.data.pii.entities import labels
from govprune.data.pii.gate import ANY_GATE, ASCII_GATE
from govprune.data.pii.numbers import are_cards, is_card
from govprune.data.pii.patterns import find
from govprune.data.pii.report import distinct
from govprune.data.pii.text import forms, mask, normalise
from govprune.errors import CheckError

SECRET = b"a fixed secret for these tests.."
CANARIES = (
    "canary.bird@aviary.example",
    "4929-6081-2345-6782",
    "536-22-1234",
    "+44 20 7946 0958",
    "203.0.113.77",
    "AKIAIOSFODNN7EXAMPLE",
)
CELLS = st.sampled_from(
    [
        None,
        "",
        "nothing",
        "536-22-1234",
        "536-22-1235 and 4111 1111 1111 1111",
        "4111111111111111",
        "4111111111111112",
        "order 4111111111111111",
        "order 1234567890123",
        "ada%40mail.example.org",
        "\uff15\uff13\uff16-22-1234",
        "203.0.113.77",
    ]
)


def scan(rows, first_row=1):
    frame = pl.DataFrame(
        {"notes": [a for a, _ in rows], "card": [b for _, b in rows]},
        schema={"notes": pl.String, "card": pl.String},
    )
    return scan_frame(frame, secret=SECRET, first_row=first_row)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_parts_add_up_to_the_whole(rows, one, two):
    first, second = sorted((min(one, len(rows)), min(two, len(rows))))
    a = scan(rows[:first])
    b = scan(rows[first:second], first + 1) if first else scan(rows[:second])
    if first:
        assert merge(a, b) == scan(rows[:second])
        c = scan(rows[second:], second + 1)
        assert merge(merge(a, b), c) == merge(a, merge(b, c)) == scan(rows)


def test_large_parts_add_up_beyond_the_tokens_kept():
    rows = [(f"user{i}@mail.example.org", None) for i in range(3000)]
    whole = scan(rows)
    assert merge(scan(rows[:1100]), scan(rows[1100:], 1101)) == whole
    (finding,) = whole.findings()
    assert finding.count == 3000
    assert 2600 < finding.distinct < 3400


def test_reports_of_different_runs_do_not_add_up():
    frame = pl.DataFrame({"a": ["536-22-1234"]})
    one, two = (scan_frame(frame, secret=secret) for secret in (b"1" * 32, b"2" * 32))
    with pytest.raises(CheckError, match="scan with one secret"):
        merge(one, two)
    assert set(one.tallies[0].tokens).isdisjoint(two.tallies[0].tokens)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_no_canary_is_in_any_output(tmp_path, kind, capsys):
    frame = pl.DataFrame({"notes": CANARIES, "n": range(len(CANARIES))})
    path = tmp_path / f"data.{kind}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[kind](
        path
    )
    report = scan_file(path)
    assert sum(finding.count for finding in report.findings()) == len(CANARIES)
    said = report.model_dump_json() + repr(report) + str(report.findings())
    said += "".join(repr(find(canary)) for canary in CANARIES) + "".join(capsys.readouterr())
    for canary in CANARIES:
        assert canary not in said
        assert canary.replace("-", "").replace(" ", "") not in said


def test_a_report_survives_being_written_and_read():
    report = scan([("536-22-1234", "x")])
    assert PiiReport.model_validate(json.loads(report.model_dump_json())) == report


def test_few_cards_among_many_identifiers_are_believed_when_there_are_more_than_chance_gives():
    passing = [f"order {n}" for n in range(10**15, 10**15 + 3000) if is_card(str(n))]
    failing = [f"order {n}" for n in range(10**15, 10**15 + 3000) if not is_card(str(n))]
    by_chance = scan([(cell, None) for cell in passing[:10] + failing[:90]])
    assert by_chance.findings() == ()
    assert by_chance.dismissed[0].hits == 10
    too_many = scan([(cell, None) for cell in passing[:25] + failing[:75]])
    assert too_many.findings()[0].count == 25


def test_a_word_before_a_number_counts_whatever_the_column_holds():
    failing = [f"order {n}" for n in range(10**15, 10**15 + 900) if not is_card(str(n))]
    report = scan([(cell, None) for cell in [*failing, "card 4111111111111111"]])
    assert report.findings()[0].count == 1


@given(st.integers(10**11, 10**19 - 1))
def test_many_numbers_are_judged_as_one_is(number):
    import numpy as np

    assert are_cards(np.array([number], dtype=np.uint64))[0] == is_card(str(number))


def test_repeated_digits_and_padding_are_no_card():
    assert not is_card("4" * 16)
    assert not is_card("0000004111111111111111"[-19:])
    assert is_card("4111111111111111")


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*CANARIES, "RSSMRA85T10A562S", "131052-308T", "2001:db8::8a2e:370"]),
            st.sampled_from(["SSN", " ", "-", "\u200b", "%20", "\uff15", "é", "٣", "GB29", "::"]),
            st.text(max_size=5),
            st.from_regex(r"[0-9 ().+/-]{1,14}", fullmatch=True),
        ),
        max_size=6,
    ).map("".join)
)
def test_the_gate_lets_through_everything_that_would_be_found(cell):
    """The gate is only speed: it never changes what is found."""
    cell = cell.encode("utf-8", "replace").decode()
    found = [f for form in forms(cell) for f in find(form) if f.valid]
    report = scan_frame(pl.DataFrame({"notes": [cell]}), secret=SECRET)
    whole_number = cell.strip(" \t").replace("-", "").isdecimal()
    if not whole_number:
        assert bool(found) == any(t.hits for t in report.tallies)


def test_the_gates_are_patterns_that_polars_can_read():
    cells = pl.Series(["536-22-1234", "nothing"])
    for gate in (ASCII_GATE, ANY_GATE):
        assert cells.str.contains(gate).to_list() == [True, False]


@pytest.mark.parametrize(
    ("column", "entity"),
    [
        ("ssn", "us-ssn"),
        ("Social Security Number", "us-ssn"),
        ("customer_phone_2", "phone"),
        ("cardNumber", "payment-card"),
        ("credit_card_no", "payment-card"),
        ("IBAN", "iban"),
        ("card_type", None),
        ("cell_count", None),
        ("mobile_revenue", None),
        ("discard", None),
        ("phoneme", None),
        ("assn", None),
    ],
)
def test_only_the_whole_name_of_a_column_says_what_it_holds(column, entity):
    assert labels(column) == (frozenset({entity}) if entity else frozenset())


@given(st.text(max_size=30))
def test_a_mask_keeps_no_letter_and_no_digit(text):
    assert set(mask(text)) & (set("bcefghijklmnopqrstuvwxyz") | set("0123456789")) == set()
    assert not any(c.isupper() for c in mask(text))


@given(st.text(max_size=30))
def test_normalising_twice_changes_no_ascii_digit(text):
    kept = [c for c in normalise(text) if c in "0123456789"]
    assert [c for c in normalise(normalise(text)) if c in "0123456789"] == kept


def test_distinct_is_exact_while_there_are_few():
    assert distinct([("0a", "0b"), ("0b", "0c")]) == 3
