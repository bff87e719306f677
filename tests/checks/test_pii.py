"""The check counts what is in the fine-tuning data, and says when it could not look."""

import polars as pl
import pytest

from govprune.catalogue import CHECKS_BY_ID
from govprune.checks.base import Case, NoParams
from govprune.checks.pii import PII
from govprune.data import Table
from govprune.errors import CheckError, SubjectError
from govprune.lineage import Step
from govprune.measurements import Figure, Measurement
from govprune.subjects import describe

CANARY = "536-22-1234"


def case(*tables, retrains=True):
    """The scan looks at the step and the tables alone; nothing else of the case is filled."""
    return Case(
        step=Step(name="tune", kind="callable", retrains=retrains),
        models=None,
        data=None,
        fine_tuning=tables,
        members=None,
        baseline_scores=None,
        candidate_scores=None,
        seed=0,
    )


def table(folder, name, columns):
    path = folder / name
    pl.DataFrame(columns).write_parquet(path)
    return Table(
        path=path, name=name, subject=describe(path, role="fine-tuning", root=folder), key=b""
    )


def measured(given):
    taken = list(PII.measure(given, NoParams()))
    values = {m.metric: m.basis.value for m in taken if isinstance(m, Measurement)}
    (figure,) = [item for item in taken if isinstance(item, Figure)] or [None]
    return values, figure, taken


def test_planted_data_is_counted_per_metric_over_all_tables(tmp_path):
    one = table(tmp_path, "one.parquet", {"notes": [f"ssn {CANARY}", "mail a@b.example"]})
    two = table(
        tmp_path, "two.parquet", {"host": ["203.0.113.77"], "key": ["AKIAIOSFODNN7EXAMPLE"]}
    )
    values, figure, _ = measured(case(one, two))
    assert values == {
        "checksum-valid-numbers": 1,
        "contact-details": 1,
        "network-addresses": 1,
        "secrets": 1,
        "unscanned-share": 0,
    }
    assert ("one.parquet", "notes", "US social security number", "1", "1") in [
        row[:5] for row in figure.rows
    ]
    assert figure.rows[0][5].startswith("row ")


def test_it_answers_every_metric_of_its_entry_in_the_catalogue(tmp_path):
    values, _, taken = measured(case(table(tmp_path, "t.parquet", {"a": ["x"]})))
    assert set(values) == {metric.id for metric in CHECKS_BY_ID["pii"].metrics}
    assert {m.check for m in taken} == {"pii"}


def test_clean_data_gives_zero_with_the_number_of_cells(tmp_path):
    columns = {"age": [39, 50, 38], "status": ["Married-civ-spouse", "Divorced", None]}
    values, figure, taken = measured(case(table(tmp_path, "t.parquet", columns)))
    assert set(values.values()) == {0}
    assert {m.basis.n for m in taken if isinstance(m, Measurement)} == {6}
    assert figure is None  # an empty table would say nothing


def test_no_value_is_in_what_is_measured(tmp_path):
    given = table(tmp_path, "t.parquet", {"notes": [CANARY], CANARY: ["x"]})
    _, figure, taken = measured(case(given))
    assert CANARY not in "".join(item.model_dump_json() + repr(item) for item in taken)
    assert "ddd-dd-dddd" in figure.model_dump_json()
    assert "column 2 (name withheld)" in {row[1] for row in figure.rows}


def test_nested_columns_are_a_share_and_named(tmp_path):
    given = table(tmp_path, "t.parquet", {"chat": [["a"], ["b"]], "text": ["c", "d"]})
    values, figure, taken = measured(case(given))
    assert values["unscanned-share"] == 0.5
    assert "chat" in taken[4].notes[0]
    assert ("t.parquet", "chat", "Not scanned") in {row[:3] for row in figure.rows}


def test_identifiers_that_pass_by_chance_are_shown_and_not_counted(tmp_path):
    given = table(tmp_path, "t.parquet", {"order": list(range(10**15, 10**15 + 100))})
    values, figure, taken = measured(case(given))
    assert values["checksum-valid-numbers"] == 0
    assert figure.rows[0][5].endswith("numbers pass by chance")
    assert any("not counted" in note for note in taken[0].notes)


def test_a_figure_of_very_many_columns_says_how_many_it_leaves_out(tmp_path):
    columns = {f"c{i}": [CANARY] for i in range(302)}
    values, figure, _ = measured(case(table(tmp_path, "t.parquet", columns)))
    assert values["checksum-valid-numbers"] == 302
    assert len(figure.rows) == 301
    assert figure.rows[-1][2] == "2 more rows of this kind"


def test_a_step_that_retrains_without_data_cannot_be_measured():
    with pytest.raises(CheckError, match="no fine-tuning data is declared"):
        list(PII.measure(case(), NoParams()))


def test_a_step_without_data_has_nothing_to_scan_and_says_so():
    values, figure, taken = measured(case(retrains=False))
    assert len(values) == 5
    assert set(values.values()) == {0}
    assert figure is None
    assert all("no data touched the weights" in m.notes[0] for m in taken)


def test_a_file_that_changed_after_it_was_digested_is_refused(tmp_path):
    given = table(tmp_path, "t.parquet", {"a": [CANARY]})
    pl.DataFrame({"a": ["clean"]}).write_parquet(given.path)
    with pytest.raises(SubjectError, match="changed since it was digested"):
        list(PII.measure(case(given), NoParams()))
