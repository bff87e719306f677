"""A table is read from the bytes that were digested, or refused in one sentence with its name."""

import random

import polars as pl
import pytest

from govprune.data import read_table
from govprune.errors import SubjectError


def read(path):
    return read_table(path, role="evaluation", root=path.parent)


def refused(path) -> str:
    with pytest.raises(SubjectError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "ROWS.CSV"])
def test_a_table_comes_with_the_digest_of_its_file(tmp_path, name):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    path = tmp_path / name
    (frame.write_parquet if name.endswith("parquet") else frame.write_csv)(path)
    table, found = read(path)
    assert found.equals(frame)
    assert table.subject.size == path.stat().st_size
    assert table.name == name


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_a_table_without_rows_decides_nothing(tmp_path, name):
    frame = pl.DataFrame({"a": []}, schema={"a": pl.Int64})
    path = tmp_path / name
    (frame.write_parquet if name.endswith("parquet") else frame.write_csv)(path)
    assert "holds no rows" in refused(path)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.csv", b""),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n"),
        ("latin.csv", "name,label\nJos\u00e9,1\n".encode("latin-1")),
        ("empty.parquet", b""),
        ("text.parquet", b"a,b\n1,2\n"),
        ("half.parquet", b"PAR1" + b"\0" * 60),
    ],
)
def test_a_broken_file_is_refused_without_quoting_a_cell(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    message = refused(tmp_path / name)
    assert "not a readable" in message
    assert "Jos" not in message


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.json", "rows"])
def test_another_kind_of_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"a,b\n1,2\n")
    assert "give a .csv or .parquet file" in refused(tmp_path / name)


def test_a_missing_file_a_folder_and_a_link_are_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "not a regular file" in refused(tmp_path / "folder.csv")
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    assert "is a symbolic link" in refused(tmp_path / "link.csv")


def test_a_damaged_parquet_file_is_read_or_refused_and_never_more(tmp_path, capfd):
    """The reader of Parquet panics on some damage; that must not look like a crash."""
    frame = pl.DataFrame({"a": range(200), "s": [f"v{i % 7}" for i in range(200)]})
    frame.write_parquet(tmp_path / "whole.parquet")
    whole, path = (tmp_path / "whole.parquet").read_bytes(), tmp_path / "damaged.parquet"
    chance, outcomes = random.Random(2), {"read": 0, "refused": 0}
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 10])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(1, len(data))] if chance.random() < 0.2 else data)
        try:
            read(path)
            outcomes["read"] += 1
        except SubjectError as error:
            assert str(error).startswith(f"{path}: ")
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10
    capfd.readouterr()  # a panic prints what it was
