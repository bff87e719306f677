"""Every kind of personal data is found however it is written, and clean data stays clean."""

import json
import random
import subprocess
import sys
import uuid
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest

from govprune.data.pii import scan_file, scan_frame
from govprune.errors import SubjectError

SECRET = b"a fixed secret for these tests.."
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"  # nobody's key
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
PLANTED = {
    "payment-card": "paid with 4111 1111 1111 1111 today",
    "iban": "please transfer to GB29 NWBK 6016 1331 9268 19.",
    "us-ssn": "his number is 536-22-1234, he says",
    "us-itin": "filed under 912-90-3456 last year",
    "br-cpf": "o cliente 390.533.447-05 pagou",
    "cn-ric": "holder 360426199101010071 signed",
    "es-dni": "con DNI 54362315K firmado",
    "fi-hetu": "asiakas 131052-308T soitti",
    "fr-nir": "assure 2 95 10 99 126 111 93 depuis",
    "gb-nhs": "NHS number 943 476 5870 on file",
    "in-aadhaar": "Aadhaar 2341 2341 2346 shown",
    "it-codice-fiscale": "codice RSSMRA85T10A562S valido",
    "mx-curp": "clave BOXW310820HNERXN09 vigente",
    "nl-bsn": "met BSN 111222333 bekend",
    "pl-pesel": "numer PESEL 44051401359 klienta",
    "se-personnummer": "personnummer 880320-0016 angavs",
    "e-mail": "write to Ada.Lovelace+1@mail.example.org soon",
    "phone": "ring +44 20 7946 0958 after six",
    "ipv4": "logged in from 203.0.113.77 at noon",
    "ipv6": "logged in from 2001:db8:85a3::8a2e:370:7334 at noon",
    "mac": "device 00:1B:44:11:3A:B7 joined",
    "aws-key": "export KEY=AKIAIOSFODNN7EXAMPLE now",
    "github-token": "token ghp_" + "a1B2" * 9 + " leaked",
    "google-key": "key AIza" + "Sy0_-" * 7 + " leaked",
    "json-web-token": f"Bearer {JWT} sent",
    "private-key": PEM,
    "slack-token": "bot xoxb-123456789012-abcdefABCDEF sent",
}


def write(folder: Path, kind: str, columns: dict[str, list]) -> Path:
    path = folder / f"data.{kind}"
    frame = pl.DataFrame(columns)
    if kind == "csv":
        frame.write_csv(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in frame.to_dicts()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def scan(columns: dict[str, list]):
    return scan_frame(pl.DataFrame(columns), secret=SECRET)


def counts(report) -> dict[str, int]:
    return {finding.entity: finding.count for finding in report.findings()}


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_every_entity_is_found_in_every_format(tmp_path, kind):
    notes = ["nothing to see here", *PLANTED.values()]
    report = scan_file(write(tmp_path, kind, {"n": list(range(len(notes))), "notes": notes}))
    assert counts(report) == dict.fromkeys(PLANTED, 1)
    rows = {finding.entity: finding.places[0].row for finding in report.findings()}
    assert rows == {entity: row for row, entity in enumerate(PLANTED, start=2)}
    assert report.unscanned_cells == 0
    assert report.scanned_cells == 2 * len(notes)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("SSN536-22-1234Card4111111111111111IBANDE89370400440532013000", "card ssn iban"),
        ("SSN536221234", "ssn"),
        ("\uff15\uff13\uff16\uff0d\uff12\uff12\uff0d\uff11\uff12\uff13\uff14", "ssn"),
        ("\uff14111 1111 1111 111\uff11", "card"),
        ("5\u200b36-2\u200c2-12\ufeff34", "ssn"),
        ("536\u00ad-22-\u20601234", "ssn"),
        ("536\u201122\u20111234", "ssn"),
        ("5\x003\x006\x00-\x002\x002\x00-\x001\x002\x003\x004\x00", "ssn"),
        ("\u0665\u0663\u0666-\u0662\u0662-\u0661\u0662\u0663\u0664", "ssn"),
        (quote("536-22-1234", safe="").replace("-", "%2D"), "ssn"),
        ("ada%40mail.example.org", "mail"),
        ("ada%2540mail.example.org", "mail"),
        ("4111%201111%201111%201111", "card"),
        ("card=%4111111111111111", "card"),  # decoding would eat the first two digits
        ("4111111111111111\u200b5", "card"),  # so would removing the invisible character
        ("ada\uff20mail.example.org", "mail"),
        ("gb29nwbk60161331926819", "iban"),
        ("DE89370400440532013000", "iban"),
        ("3782 822463 10005", "card"),
        ("4111-1111-1111-1111 123", "card"),  # a security code behind it
        ("4111 1111 1111 1112", ""),
        ("000-22-1234 666-22-1234 536-00-1234 536-22-0000", ""),
        ("GB29 NWBK 6016 1331 9268 18", ""),
        ("0000000000000000 5555555555555555", ""),
    ],
)
def test_each_trap_is_seen_through(cell, expected):
    names = {"card": "payment-card", "ssn": "us-ssn", "iban": "iban", "mail": "e-mail"}
    assert counts(scan({"notes": [cell]})) == {names[word]: 1 for word in expected.split()}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("+14155552671", 1),
        ("(415) 555-2671", 1),
        ("415-555-2671", 1),
        ("07700 900 123", 1),
        ("01 23 45 67 89", 1),
        ("名前は090-1234-5678です", 1),
        ("01-02-2020", 0),
        ("my mobile number is 699 956 915", 1),
        ("2019-2020-2021", 0),
        ("+12345678", 0),
        ("12.05.2019 13:30", 0),
        ("1200 1300 1400", 0),
        ("-122.41941550 37.77492950", 0),
    ],
)
def test_telephone_numbers_are_told_from_other_numbers(cell, found):
    assert counts(scan({"notes": [cell]})).get("phone", 0) == found


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_data_set_like_adult_is_clean(tmp_path, kind):
    rng = random.Random(7)
    rows = 2000
    work = ["State-gov", "Self-emp-not-inc", "Private", "?"]
    married = ["Married-civ-spouse", "Never-married", "Married-AF-spouse"]
    report = scan_file(
        write(
            tmp_path,
            kind,
            {
                "age": [rng.randint(17, 90) for _ in range(rows)],
                "workclass": rng.choices(work, k=rows),
                "fnlwgt": [rng.randint(12285, 1484705) for _ in range(rows)],
                "marital-status": rng.choices(married, k=rows),
                "race": rng.choices(["Asian-Pac-Islander", "Amer-Indian-Eskimo"], k=rows),
                "capital-gain": rng.choices([0, 2174, 99999], k=rows),
                "hours-per-week": [rng.randint(1, 99) for _ in range(rows)],
                "native-country": rng.choices(["Outlying-US(Guam-USVI-etc)", "Cuba"], k=rows),
                "income": rng.choices(["<=50K", ">50K"], k=rows),
            },
        )
    )
    assert report.findings() == ()
    assert report.dismissed == ()
    assert report.scanned_cells == 9 * rows


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_identifiers_times_and_measurements_are_clean(tmp_path, kind):
    rng = random.Random(11)
    rows = 1500
    world = {
        "order": [rng.randrange(10**15, 10**16) for _ in range(rows)],
        "reference": [f"order {rng.randrange(10**15, 10**16)} sent" for _ in range(rows)],
        "epoch_ms": [rng.randrange(1_500_000_000_000, 1_600_000_000_000) for _ in range(rows)],
        "uuid": [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(rows)],
        "hash": [sha256(str(i).encode()).hexdigest() for i in range(rows)],
        "in_text": [f"see {sha256(str(i).encode()).hexdigest()[:40]}." for i in range(rows)],
        "seen": [f"2019-03-{i % 28 + 1:02d} 10:20:{i % 60:02d}.123456" for i in range(rows)],
        "version": [f"version 10.{i % 9}.3.14" for i in range(rows)],
        "section": [f"see 1.{i % 9}.3.4 for more" for i in range(rows)],
        "share": [rng.random() for _ in range(rows)],
        "share_text": [f"p={rng.random():.16f}" for _ in range(rows)],
        "years": ["1990 1991 1992 1993"] * rows,
        "code": ["std::vector<int> a::b 10:20:30", "f(x) @ y"] * (rows // 2),
        "picture": ["icon@2x.png"] * rows,
        "card_type": [rng.randrange(10**7, 10**9) for _ in range(rows)],
        "cell_count": [rng.randrange(10**9, 10**10) for _ in range(rows)],
    }
    report = scan_file(write(tmp_path, kind, world))
    assert counts(report) == {}
    # Chance is not hidden: one identifier in ten passes the check digit.
    assert {tally.column for tally in report.dismissed} == {"order", "reference", "epoch_ms"}


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_whole_numbers_are_what_their_column_says(tmp_path, kind):
    cards = [4111111111111111, 5555555555554444, 378282246310005]
    path = write(
        tmp_path,
        kind,
        {
            "cardNumber": cards,
            "SSN": [536221234, 1010001, 536221235],
            "home_phone": [4155552671, 4155552672, 7],
            "customer_bsn": [111222333, 123456782, 111222334],
        },
    )
    expected = {"payment-card": 3, "us-ssn": 3, "phone": 2, "nl-bsn": 2}
    assert counts(scan_file(path)) == expected


def test_a_column_where_most_numbers_pass_holds_cards_whatever_it_is_called():
    report = scan({"field_7": [4111111111111111, 5555555555554444, 10**15, 12]})
    assert counts(report) == {"payment-card": 2}
    assert report.findings()[0].columns == ("field_7",)


def test_cards_that_became_floats_are_still_cards(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("card\n4111111111111111.0\n4.111111111111111e15\n", encoding="utf-8")
    assert counts(scan_file(path)) == {"payment-card": 2}
    assert counts(scan({"card": [4111111111111111.0, None]})) == {"payment-card": 1}


def test_the_same_value_is_counted_twice_and_distinct_once():
    (finding,) = scan({"a": ["536-22-1234", "x"], "b": ["536-22-1234", "536-22-1235"]}).findings()
    assert (finding.count, finding.distinct, finding.columns) == (3, 2, ("a", "b"))
    assert finding.places[0].mask == "ddd-dd-dddd"


def test_a_place_points_at_the_value():
    (finding,) = scan({"notes": ["none", "is 536-22-1234!"]}).findings()
    place = finding.places[0]
    assert (place.row, place.start, place.end, place.form) == (2, 3, 14, 0)


def test_a_file_without_a_header_hides_no_row(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("536-22-1234,Bob\n536-22-1235,Eve\n", encoding="utf-8")
    report = scan_file(path)
    assert counts(report) == {"us-ssn": 2}
    assert report.columns[0].name == "column 1 (name withheld)"
    assert "536-22" not in report.model_dump_json()


def test_nested_and_binary_columns_are_named_as_unscanned(tmp_path):
    path = tmp_path / "data.parquet"
    frame = pl.DataFrame(
        {
            "chat": [["call 536-22-1234"], ["no", "yes"], None],
            "blob": [b"12345", None, None],
            "person": [{"ssn": "536-22-1234"}] * 3,
            "text": ["a", None, "c"],
        }
    )
    frame.write_parquet(path)
    report = scan_file(path)
    closed = {c.name: (c.unscanned_cells, c.unscanned_bytes) for c in report.columns}
    assert closed == {"chat": (2, 21), "blob": (1, 5), "person": (3, 33), "text": (0, 0)}
    assert report.unscanned_share == 6 / 12


def test_nested_json_is_unscanned_and_the_rest_of_its_column_is_not(tmp_path):
    path = tmp_path / "data.jsonl"
    lines = ['{"a": {"ssn": "536-22-1234"}}', '{"a": "536-22-1234"}', "", '{"b": true}']
    path.write_text("\n".join(lines), encoding="utf-8")
    report = scan_file(path)
    assert [(c.name, c.scanned_cells, c.unscanned_cells) for c in report.columns] == [
        ("a", 2, 1),
        ("b", 3, 0),
    ]
    assert counts(report) == {"us-ssn": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1 536-22-1234 PAR1", "not a readable Parquet file"),
        ("a.csv", b"a,b\n1,536-22-1234,3\n", "not a readable CSV file"),
        ("a.csv", b'a,b\n1,"536-22-1234\n', "not a readable CSV file"),
        ("a.csv", b"a\n\xff\xfe536-22-1234\n", "not a readable CSV file"),
        ("a.jsonl", b'{"a": "536-22-1234"', "a.jsonl:1: not JSON"),
        ("a.jsonl", b'{"a": 1}\n["536-22-1234"]\n', "a.jsonl:2: not a JSON object"),
        ("a.jsonl", b'{"a": "536-22-1234", "a": ""}', "a key is given twice"),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        ("a.jsonl", b"\xff", "not UTF-8"),
        ("a.jsonl", b"{}\n{}\n", "holds no fields"),
        ("a.csv", b"", "is empty"),
        ("a.parquet", b"", "is empty"),
        ("a.csv", b"a,b\n", "holds no rows"),
        ("a.txt", b"536-22-1234", "give a .parquet, .csv or .jsonl file"),
    ],
)
def test_a_broken_file_is_refused_without_quoting_it(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SubjectError) as caught:
        scan_file(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "1234" not in str(caught.value).replace(str(path), "")
    assert caught.value.__cause__ is None


def test_a_parquet_file_with_flipped_bytes_is_refused_or_read_never_a_crash(tmp_path):
    good = write(tmp_path, "parquet", {"a": ["x", "y"] * 50, "n": list(range(100))}).read_bytes()
    rng = random.Random(3)
    path = tmp_path / "bad.parquet"
    refused = 0
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(3):
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(bad))
        try:
            scan_file(path)
        except SubjectError:
            refused += 1
    assert refused > 10


def test_a_link_is_not_followed(tmp_path):
    write(tmp_path, "csv", {"a": ["x"]})
    (tmp_path / "link.csv").symlink_to(tmp_path / "data.csv")
    with pytest.raises(SubjectError, match="symbolic link"):
        scan_file(tmp_path / "link.csv")


def test_progress_reaches_the_end(tmp_path):
    seen = []
    scan_file(
        write(tmp_path, "csv", {"a": ["x", "y"], "b": ["z", ""]}),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(2, 4), (4, 4)]


def test_importing_the_scan_loads_neither_torch_nor_polars():
    code = "import sys, govprune.data.pii.scan as _; print({'torch', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
