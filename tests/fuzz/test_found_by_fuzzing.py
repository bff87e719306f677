"""What fuzzing found, each as the smallest input that showed it."""

import base64
import sqlite3
from contextlib import closing

import pytest
from sealed import World

from govprune import strict_yaml
from govprune.errors import EvidenceError, PolicyError, SigningKeyError
from govprune.evidence.key_files import parse_trusted_keys
from govprune.records import MOST_VALUES, canonical, parse_json


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.seal()
    return made


@pytest.mark.parametrize(
    "data", [b'{"\\ud800":1}', b'["\\uDFFF"]', b'"\\ude00\\ud83d"', b'{"sha256":"\\ud800"}']
)
def test_half_a_character_is_no_json(data):
    """It can be written nowhere, and made the library that reads records fail in its own way."""
    with pytest.raises(EvidenceError, match="not JSON"):
        parse_json(data, source="x")
    assert parse_json(b'["\\ud83d\\ude00", "\\u00e9"]', source="x") == ["\U0001f600", "\u00e9"]


def test_half_a_character_in_a_key_cannot_be_written_as_canonical_json():
    with pytest.raises(EvidenceError, match="canonical JSON"):
        canonical({"\ud800": 1})


def test_a_value_nested_too_deep_cannot_be_written_as_canonical_json():
    value = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(EvidenceError, match="canonical JSON"):
        canonical(value)


def test_a_certificate_of_another_version_is_refused_by_name(world):
    """The version is the one byte after the two tags at the start."""
    text = world.public.read_text()
    start = text.index("-----BEGIN CERTIFICATE-----\n") + 28
    body, end = text[start:].split("-----END")[0], text[start:].index("-----END")
    der = bytearray(base64.b64decode(body))
    at = der.index(b"\xa0\x03\x02\x01\x02") + 4
    der[at] = 42
    changed = base64.encodebytes(bytes(der)).decode()
    with pytest.raises(SigningKeyError, match="certificate cannot be read"):
        parse_trusted_keys(text[:start] + changed + text[start + end :], source="x")


def edit(world, statement, *values):
    with closing(sqlite3.connect(world.log.path / "log.sqlite")) as db, db:
        db.execute(statement, values)


@pytest.mark.parametrize("name", ["", "a log", "govprune/log/" + "g" * 32, b"\xff"])
def test_a_log_of_another_name_is_not_appended_to(world, name):
    """Nothing was signed yet, so only the name's own form can tell."""
    (world.log.path / "checkpoint").unlink()
    edit(world, "UPDATE log SET origin = ?, note = NULL", name)
    with pytest.raises(EvidenceError, match="lost its name"):
        world.log.check(world.trusted)


@pytest.mark.parametrize("note", [b"\xff", 7, 0.5])
def test_a_checkpoint_that_is_no_text_is_refused(world, note):
    edit(world, "UPDATE log SET note = ?", note)
    with pytest.raises(EvidenceError, match="not a signed checkpoint"):
        world.log.check(world.trusted)


def test_a_damaged_log_whose_own_words_are_no_text_is_refused(world):
    """SQLite quotes the file in its message, and the quotation is not UTF-8."""
    world.log.check(world.trusted)
    path = world.log.path / "log.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE leaves", b"CREATE TABLE \xac\xacaves"))
    with pytest.raises(EvidenceError, match="damaged or edited"):
        world.log.check(world.trusted)


def test_json_of_too_many_values_is_refused_before_it_is_parsed():
    """60 MB of empty lists took more than a gigabyte and 20 seconds."""
    data = b"[" + b"[]," * MOST_VALUES + b"[]]"
    with pytest.raises(EvidenceError, match="more than 2,000,000 values"):
        parse_json(data, source="x")


def test_yaml_of_too_many_values_is_refused_early():
    """A megabyte of empty lists took 46 seconds."""
    text = "- [[],[],[]]\n" * 15_000
    with pytest.raises(PolicyError, match="more than 20,000 values"):
        strict_yaml.load(text, source="x", error=PolicyError)


def test_yaml_that_is_too_long_is_refused_unread():
    with pytest.raises(PolicyError, match="longer than 250000 characters"):
        strict_yaml.load("a" * 250_001, source="x", error=PolicyError)
