"""Rows become features, labels and slices of known counts; whatever is unclear is refused."""

import math

import numpy as np
import polars as pl
import pytest
from worlds import evaluation

from govprune.data import read_evaluation
from govprune.errors import SubjectError
from govprune.job import EvaluationSection
from govprune.policy.rules import SlicePolicy

FILE = "evaluation.parquet"


def table(**columns):
    """Forty rows with a feature, a label and whatever is given."""
    return {"x": [0.5] * 40, "label": [0, 1] * 20} | columns


def read(folder, columns, **section):
    return evaluation(folder, columns, **({"features": ("x",)} | section))


def counts(data):
    return {s.name: s.n for s in data.profile.slices}


# --- slices


def test_slices_carry_the_column_and_the_value_and_their_labels(tmp_path):
    sex = ["F"] * 15 + ["M"] * 25
    data = read(tmp_path, table(sex=sex), slices=("sex",))
    assert counts(data) == {"all": 40, "sex=F": 15, "sex=M": 25}
    assert data.profile.slices[1].by_label == (("0", 8), ("1", 7))


def test_intersections_are_counted_down_to_the_depth_asked_for(tmp_path):
    columns = table(a=["p", "q"] * 20, b=["r"] * 20 + ["s"] * 20, c=[True] * 40)
    data = read(tmp_path, columns, slices=("a", "b", "c"))
    assert counts(data)["a=p,b=s"] == 10
    assert counts(data)["a=q,c=true"] == 20
    assert not any(name.count("=") == 3 for name in counts(data))
    deeper = read(tmp_path, columns, slices=("a", "b", "c"), depth=3)
    assert counts(deeper)["a=p,b=r,c=true"] == 10
    assert data.profile.attributes == (("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"))


def test_slices_under_the_disclosure_floor_are_shown_together(tmp_path):
    data = read(tmp_path, table(race=["w"] * 28 + ["x"] * 6 + ["y"] * 6), slices=("race",))
    assert counts(data) == {"all": 40, "race=w": 28, "race=(under 10 rows each)": 12}
    assert data.profile.merged == (
        "race: 2 slices under 10 rows are judged together (12 rows)",
    )  # fmt: skip
    tables = dict(data.tables(np.zeros(40, int), np.zeros(40, int)))
    assert tables["race=(under 10 rows each)"].n == 12


@pytest.mark.parametrize("small", [["x"] * 5, ["x"] * 4 + ["y"] * 3])
def test_too_few_rows_for_a_slice_of_their_own_are_not_shown_at_all(tmp_path, small):
    race = ["w"] * (40 - len(small)) + small
    data = read(tmp_path, table(race=race), slices=("race",))
    assert counts(data) == {"all": 40, "race=w": 40 - len(small)}
    assert f"are not shown ({len(small)} rows)" in data.profile.merged[0]
    tables = dict(data.tables(np.zeros(40, int), np.zeros(40, int)))
    assert set(tables) == {"all", "race=w"}


def test_the_tables_of_an_axis_add_up_to_the_whole(tmp_path):
    random = np.random.default_rng(0)
    columns = table(a=random.choice(["p", "q", "r"], 40).tolist())
    data = read(tmp_path, columns, slices=("a",), floor=1)
    before, after = random.integers(0, 2, 40), random.integers(0, 2, 40)
    tables = {name: t.binary(1) for name, t in data.tables(before, after)}
    whole = tables.pop("all")
    assert (sum(tables.values()) == whole).all()
    for label, base, cand in np.ndindex(2, 2, 2):
        rows = (data.labels == label) & (before == base) & (after == cand)
        assert whole[label, base, cand] == rows.sum()
        in_p = rows & (np.array(columns["a"]) == "p")
        assert tables["a=p"][label, base, cand] == in_p.sum()


def test_numbers_are_cut_at_the_edges_and_missing_ones_are_a_slice_of_their_own(tmp_path):
    """NaN is above no edge."""
    age = [17.0] * 10 + [30.0] * 10 + [61.0] * 10 + [math.nan] * 5 + [None] * 5
    data = read(tmp_path, table(age=age), slices=("age",), bins={"age": (30, 60)})
    assert counts(data) == {
        "all": 40, "age=(missing)": 10, "age=30 to 60": 10, "age=60 and over": 10,
        "age=under 30": 10,
    }  # fmt: skip


def test_whole_numbers_with_gaps_are_cut_too(tmp_path):
    age = [17] * 15 + [61] * 15 + [None] * 10
    data = read(tmp_path, table(age=age), slices=("age",), bins={"age": (30,)})
    assert counts(data) == {
        "all": 40, "age=(missing)": 10, "age=30 and over": 15, "age=under 30": 15,
    }  # fmt: skip


def test_edges_that_lie_close_keep_their_own_names(tmp_path):
    pay = [1_000_000.5] * 20 + [1_000_001.5] * 20
    edges = (1_000_000, 1_000_001, 1_000_002)
    data = read(tmp_path, table(pay=pay), slices=("pay",), bins={"pay": edges})
    assert {"pay=1000000 to 1000001", "pay=1000001 to 1000002"} < set(counts(data))


def test_missing_values_are_a_slice(tmp_path):
    data = read(tmp_path, table(sex=["F"] * 15 + [None] * 25), slices=("sex",))
    assert counts(data)["sex=(missing)"] == 25


def test_a_value_that_looks_like_an_intersection_cannot_stand_in_for_one(tmp_path):
    """Otherwise the counts of one slice would answer for the other."""
    columns = table(a=["p,b=r"] * 20 + ["p"] * 20, b=["r"] * 40)
    with pytest.raises(SubjectError, match="two slices are both called 'a=p,b=r'"):
        read(tmp_path, columns, slices=("a", "b"))


def test_a_value_that_looks_like_the_merged_slice_cannot_stand_in_for_it(tmp_path):
    race = ["(under 10 rows each)"] * 20 + ["w"] * 10 + ["x"] * 5 + ["y"] * 5
    with pytest.raises(SubjectError, match="two slices are both called"):
        read(tmp_path, table(race=race), slices=("race",))


def test_a_column_that_looks_like_an_intersection_is_refused(tmp_path):
    columns = table(a=["p"] * 40, b=["r"] * 40) | {"a x b": ["s"] * 40}
    with pytest.raises(SubjectError, match="two slices are both called 'a x b'"):
        read(tmp_path, columns, slices=("a", "b", "a x b"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\0", "a\\x00"),
        ("a\x1b[2J", "a\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("a\u202eb", "a\\u202eb"),
        ("Zoë, 東京", "Zoë, 東京"),
    ],
)
def test_hostile_values_are_shown_so_that_they_cannot_steer_a_screen(tmp_path, value, shown):
    data = read(tmp_path, table(a=[value] * 20 + ["a"] * 20), slices=("a",))
    assert counts(data) == {"all": 40, f"a={shown}": 20, "a=a": 20}


@pytest.mark.parametrize(
    ("column", "section", "message"),
    [
        ([0.5] * 40, {}, "holds decimal numbers; name edges"),
        (["t" * 201] * 40, {}, "slice by groups, not by free text"),
        (["t"] * 40, {"bins": {"a": (1,)}}, "need a numeric column and rising edges"),
        ([1] * 40, {"bins": {"a": (2, 1)}}, "need a numeric column and rising edges"),
        ([1] * 40, {"bins": {"a": ()}}, "need a numeric column and rising edges"),
    ],
)
def test_a_slice_column_that_cannot_be_cut_is_refused(tmp_path, column, section, message):
    with pytest.raises(SubjectError, match=message) as caught:
        read(tmp_path, table(a=column), slices=("a",), **section)
    assert str(tmp_path / FILE) in str(caught.value)


def test_a_column_with_a_value_per_person_is_refused(tmp_path):
    columns = {"x": [0.0] * 1001, "label": [0, 1, 1] * 333 + [0, 1], "id": range(1001)}
    with pytest.raises(SubjectError, match="'id' has 1001 values; bin it"):
        read(tmp_path, columns, slices=("id",))


def test_a_thousand_classes_cost_no_more_than_the_rows_that_use_them(tmp_path):
    label = list(range(1000)) * 2
    group = ["p"] * 1000 + ["q"] * 1000
    data = read(tmp_path, {"x": [0.0] * 2000, "label": label, "g": group}, slices=("g",))
    tables = dict(data.tables(data.labels, np.zeros(2000, int)))
    assert {name: (t.n, len(t.counts)) for name, t in tables.items()} == {
        "all": (2000, 1000), "g=p": (1000, 1000), "g=q": (1000, 1000),
    }  # fmt: skip
    assert tables["g=q"].per_class()[7].tolist() == [0, 1, 0, 0]


# --- labels


def test_labels_of_text_take_the_order_the_job_names(tmp_path):
    columns = table(label=["no", "yes"] * 20)
    data = read(tmp_path, columns, classes=("yes", "no"), positive="yes")
    assert data.labels.tolist() == [1, 0] * 20
    assert data.positive == 0
    assert data.profile.labels == ("yes", "no")
    plain = read(tmp_path, columns)
    assert (plain.classes, plain.profile.positive) == (("no", "yes"), "yes")


def test_labels_of_truth_values_read_as_the_job_writes_them(tmp_path):
    data = read(tmp_path, table(label=[False, True] * 20), classes=("false", "true"))
    assert data.labels.tolist() == [0, 1] * 20


def test_more_than_two_classes_have_no_favourable_one(tmp_path):
    data = read(tmp_path, table(label=[0, 1, 2, 0] * 10))
    assert data.positive is None


@pytest.mark.parametrize(
    ("label", "section", "message"),
    [
        (
            [0, 1, 2, 0] * 10,
            {"classes": ("0", "1")},
            "row 3, label 'label' holds a value that is not among",
        ),
        ([0, 1] * 20, {"classes": ("no", "yes")}, "evaluation.classes must be of one kind"),
        ([0.0, 1.0] * 20, {}, "holds decimal numbers; give text or integers"),
        ([0, None] * 20, {}, "row 2 has no label"),
        ([1, 1] * 20, {}, "1 classes; a gate needs 2 to"),
        ([0, 1] * 20, {"classes": ("0", "1", "2")}, "holds no row of class '2'; add some"),
        ([0, 1] * 20, {"positive": "2"}, "positive class '2' is not in"),
    ],
)
def test_labels_that_cannot_be_judged_are_refused(tmp_path, label, section, message):
    with pytest.raises(SubjectError, match=message) as caught:
        read(tmp_path, table(label=label), **section)
    assert str(caught.value).startswith(f"{tmp_path / FILE}: ")
    assert "\n" not in str(caught.value)


# --- features


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([math.nan] * 40, "row 1, feature 'x' is missing or not finite"),
        ([0.5] * 39 + [None], "row 40, feature 'x' is missing or not finite"),
        ([0.5] * 20 + [math.inf] * 20, "row 21, feature 'x' is missing or not finite"),
        ([1e300] * 40, "row 1, feature 'x' is missing or not finite"),
        (["a"] * 40, "feature 'x' is String, not a number; encode it"),
    ],
)
def test_features_that_no_model_can_read_are_refused(tmp_path, x, message):
    with pytest.raises(SubjectError, match=message) as caught:
        read(tmp_path, table(x=x))
    assert str(caught.value).startswith(f"{tmp_path / FILE}: ")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"features": ("y",)}, "no column 'y'. It has: x, label"),
        ({"features": ("x", "x*")}, "features name the column 'x' twice"),
        ({"features": ("x", "label")}, "the label 'label' is among the features"),
        ({"label": "truth"}, "no column 'truth'"),
        ({"slices": ("sex",)}, "no column 'sex'"),
        ({"mutable": ("y",)}, "no column 'y'"),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path, section, message):
    with pytest.raises(SubjectError) as caught:
        read(tmp_path, table(), **section)
    assert str(caught.value).startswith(f"{tmp_path / FILE}: {message}")


def test_features_keep_the_order_of_the_job_and_may_be_written_to(tmp_path):
    columns = table(**{"work=b": [True] * 40, "work=a": [2] * 40})
    data = read(tmp_path, columns, features=("work=*", "x"))
    assert data.names == ("work=b", "work=a", "x")
    assert data.features[0].tolist() == [1.0, 2.0, 0.5]
    assert data.features.dtype == np.float32
    assert data.features.flags.writeable
    assert read(tmp_path, columns, features=("x",)).features.flags.writeable


def test_an_attacker_changes_what_has_more_than_two_values_unless_the_job_says_otherwise(tmp_path):
    columns = table(x=[i % 3 for i in range(40)], flag=[0, 1] * 20)
    assert read(tmp_path, columns, features=("x", "flag")).mutable == (0,)
    chosen = read(tmp_path, columns, features=("x", "flag"), mutable=("flag",))
    assert chosen.mutable == (1,)


def test_the_digest_is_that_of_the_file(tmp_path):
    from worlds import sha256

    data = read(tmp_path, table())
    assert data.table.subject.sha256 == sha256(tmp_path / FILE)
    assert data.table.subject.name == FILE


def test_a_csv_gives_the_same_rows_as_a_parquet_file(tmp_path):
    columns = table(sex=["F"] * 15 + ["M"] * 25)
    one = read(tmp_path, columns, slices=("sex",))
    two = read(tmp_path, columns, slices=("sex",), file="evaluation.csv")
    assert (one.features == two.features).all()
    assert one.profile == two.profile


def test_a_link_to_the_data_is_refused(tmp_path):
    pl.DataFrame(table()).write_parquet(tmp_path / "real.parquet")
    (tmp_path / FILE).symlink_to(tmp_path / "real.parquet")
    section = EvaluationSection(file=FILE, label="label", features=("x",))
    with pytest.raises(SubjectError, match="is a symbolic link"):
        read_evaluation(section, SlicePolicy(), root=tmp_path)
