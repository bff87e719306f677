"""Answers without a model: read in batches, named by their content, refused where unclear."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from govprune.data import read_predictions
from govprune.errors import SubjectError
from govprune.evidence.entry import tried
from govprune.job import EvaluationSection, PredictionsSection
from govprune.policy.rules import SlicePolicy


def columns(n=60, **more):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, n)
    return {
        "y": truth,
        "base": np.where(random.random(n) < 0.9, truth, 1 - truth),
        "cand": np.where(random.random(n) < 0.8, truth, 1 - truth),
        "g": np.where(random.random(n) < 0.5, "p", "q").tolist(),
    } | more


def read(folder, data, *, file="preds.parquet", said=None, **section):
    frame = pl.DataFrame(data)
    (frame.write_csv if file.endswith(".csv") else frame.write_parquet)(folder / file)
    given = {"file": file, "label": "y", "slices": ("g",)} | section
    answers = {"baseline": "base", "candidate": "cand"} | (said or {})
    return read_predictions(
        EvaluationSection.model_validate(given),
        PredictionsSection.model_validate(answers),
        SlicePolicy(),
        root=folder,
    )


def digests(found):
    return {s.role: s.sha256 for s in found.subjects}


# --- what is read


def test_answers_are_counted_per_slice_as_rows_would_be(tmp_path):
    data = columns()
    found = read(tmp_path, data)
    tables = dict(found.data.tables(found.baseline.said, found.candidate.said))
    in_p = np.array(data["g"]) == "p"
    for cell in np.ndindex(2, 2, 2):
        rows = (data["y"] == cell[0]) & (data["base"] == cell[1]) & (data["cand"] == cell[2])
        assert tables["all"].binary(1)[cell] == rows.sum()
        assert tables["g=p"].binary(1)[cell] == (rows & in_p).sum()


def test_codes_are_held_in_one_byte_each(tmp_path):
    found = read(tmp_path, columns())
    held = (found.data.labels, found.baseline.said, found.data.axes[0].columns[0].codes)
    assert {a.dtype for a in held} == {np.dtype(np.uint8)}


def test_batches_of_a_file_with_many_row_groups_are_joined(tmp_path):
    data = columns(1000)
    pq.write_table(pa.table(data), tmp_path / "groups.parquet", row_group_size=64)
    whole = read(tmp_path, data)
    parts = read_predictions(
        EvaluationSection(file="groups.parquet", label="y", slices=("g",)),
        PredictionsSection(baseline="base", candidate="cand"),
        SlicePolicy(),
        root=tmp_path,
    )
    assert (parts.candidate.said == whole.candidate.said).all()
    assert parts.data.profile == whole.data.profile
    assert digests(parts) == digests(whole)


def test_models_and_rows_are_named_by_their_values_not_by_the_file(tmp_path):
    """Another writer, integer width or an extra column is the same model on the same rows."""
    data = columns()
    first = read(tmp_path, data)
    wider = data | {"y": np.asarray(data["y"], np.int8), "note": ["x"] * 60}
    again = read(tmp_path, wider, file="again.parquet")
    assert digests(first) == digests(again)
    assert first.data.table.subject.sha256 != again.data.table.subject.sha256


@pytest.mark.parametrize(
    ("column", "role"), [("base", "baseline"), ("cand", "candidate"), ("y", "evaluation")]
)
def test_one_changed_cell_changes_who_is_meant(tmp_path, column, role):
    data = columns()
    cells = list(data[column])
    cells[7] = 1 - cells[7]
    before, after = (digests(read(tmp_path, d)) for d in (data, data | {column: cells}))
    assert {r for r in before if before[r] != after[r]} == {role}


def test_other_names_encodings_and_slices_are_no_other_model(tmp_path):
    """None of these is a fresh attempt."""
    data = columns()
    first = digests(read(tmp_path, data))
    texts = {k: ["ab"[i] for i in data[k]] for k in ("y", "base", "cand")}
    renamed = data | {"truth": data["y"], "old": data["base"], "new": data["cand"]}
    said = {"baseline": "old", "candidate": "new"}
    assert digests(read(tmp_path, data | texts)) == first
    assert digests(read(tmp_path, renamed, label="truth", said=said)) == first
    assert digests(read(tmp_path, data, slices=())) == first


def test_a_file_said_to_be_the_model_hides_no_attempt(tmp_path):
    (tmp_path / "vendor.onnx").write_bytes(b"weights")
    plain = read(tmp_path, columns())
    named = read(tmp_path, columns(), said={"candidate_file": "vendor.onnx"})
    assert tried(plain.subjects, "candidate") == tried(named.subjects, "candidate")


def test_the_file_of_a_model_stands_for_it_where_it_is_given(tmp_path):
    (tmp_path / "vendor.onnx").write_bytes(b"weights")
    found = read(tmp_path, columns(), said={"candidate_file": "vendor.onnx"})
    assert [(s.name, s.kind) for s in found.subjects if s.role == "candidate"] == [
        ("vendor.onnx", "file")
    ]


def test_csv_reads_like_parquet(tmp_path):
    data = columns()
    assert digests(read(tmp_path, data)) == digests(read(tmp_path, data, file="preds.csv"))


# --- kinds of answers


def test_scores_decide_from_the_threshold_on_and_rank(tmp_path):
    data = columns(4, y=[0, 1, 0, 1], base=[0.1, 0.5, 0.4, 0.9], cand=[0.2, 0.6, 0.7, 0.49])
    found = read(tmp_path, data, said={"threshold": 0.5}, slices=())
    assert found.baseline.said.tolist() == [0, 1, 0, 1]
    assert found.candidate.said.tolist() == [0, 1, 1, 0]
    assert found.candidate.probabilities[:, 1].tolist() == pytest.approx(data["cand"])


def test_scores_outside_of_zero_and_one_rank_and_are_no_probabilities(tmp_path):
    data = columns(4, y=[0, 1, 0, 1], base=[-3.0, 2.0, -1.0, 4.0], cand=[-3.0, 2.0, 0.5, 4.0])
    found = read(tmp_path, data, said={"threshold": 0.0}, slices=())
    assert found.baseline.logits is None
    assert found.baseline.ranks.tolist() == [-3.0, 2.0, -1.0, 4.0]


def test_several_labels_per_row_are_read_as_yes_and_no(tmp_path):
    data = {
        "y1": [0, 1, 1], "y2": [True, False, True], "b1": [0, 1, 0], "b2": [1, 0, 1],
        "c1": [1, 1, 1], "c2": [0, 0, 0],
    }  # fmt: skip
    found = read(
        tmp_path, data, label=("y1", "y2"), task="multi-label", slices=(),
        said={"baseline": ("b1", "b2"), "candidate": ("c1", "c2")},
    )  # fmt: skip
    assert found.data.labels.tolist() == [[False, True], [True, False], [True, True]]
    assert found.data.profile.slices[0].by_label == (("y1", 2), ("y2", 2))
    assert found.data.profile.slices[0].n == 3


def test_rows_of_one_cluster_count_as_one(tmp_path):
    found = read(tmp_path, columns(60, person=[i // 3 for i in range(60)]), cluster="person")
    assert found.data.profile.slices[0].design_effect == pytest.approx(3.0)


# --- what is refused


@pytest.mark.parametrize(
    ("changed", "section", "said", "message"),
    [
        ({}, {}, {"candidate": "nobody"}, "no column 'nobody' of predictions"),
        ({}, {}, {"candidate": "y"}, "is the label or a slice, and cannot be a prediction"),
        ({"cand": [0.3] * 60}, {}, {}, r"decimal numbers, the labels are classes: say .*threshold"),
        ({"cand": [2] * 60}, {}, {}, "row 1, predictions 'cand' holds a value that is not among"),
        ({"cand": ["0"] * 59 + [None]}, {}, {}, "row 60 has no prediction in 'cand'"),
        ({"cand": ["yes"] * 60}, {}, {}, "must be of one kind"),
        ({}, {"label": ("y", "g"), "task": "multi-label"}, {}, "2 label columns and 1 columns"),
        ({"y": ["a"] * 60}, {"task": "regression"}, {}, "not a number"),
        ({"y": [float("nan")] * 60}, {"task": "regression"}, {}, "row 1, column 'y' is missing"),
        ({"g": [0.5] * 60}, {}, {}, "decimal numbers; name edges under"),
        ({"who": [None] * 60}, {"cluster": "who"}, {}, "row 1 belongs to no cluster"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused_with_what_to_do(tmp_path, changed, section, said, message):
    with pytest.raises(SubjectError, match=message) as caught:
        read(tmp_path, columns() | changed, said=said, **section)
    assert str(tmp_path / "preds.parquet") in str(caught.value)


def test_a_broken_file_is_refused_without_a_traceback(tmp_path):
    (tmp_path / "preds.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(SubjectError, match="not a readable parquet file"):
        read_predictions(
            EvaluationSection(file="preds.parquet", label="y"),
            PredictionsSection(baseline="base", candidate="cand"),
            SlicePolicy(),
            root=tmp_path,
        )


# --- columns that no table of answers should have


def spoiled(folder, **columns_):
    """A file written by pyarrow, which polars would refuse to make."""
    data = columns()
    names = {k: pa.array(v) for k, v in data.items()} | columns_
    pq.write_table(pa.table(list(names.values()), names=list(names)), folder / "odd.parquet")
    return read_predictions(
        EvaluationSection(file="odd.parquet", label="y", slices=("g",)),
        PredictionsSection(baseline="base", candidate="cand"),
        SlicePolicy(),
        root=folder,
    )


@pytest.mark.parametrize(
    "column",
    [
        {"g": pa.array([[1]] * 60)},
        {"cand": pa.array([{"v": 1}] * 60)},
        {"y": pa.array([b"\xff\xfe"] * 60, pa.binary())},
        {"cand": pa.array([2**64 - 1] * 60, pa.uint64())},
    ],
    ids=["nested slice", "struct of answers", "bytes", "huge"],
)
def test_columns_that_hold_no_answers_are_refused_in_a_sentence(tmp_path, column):
    with pytest.raises(SubjectError, match=r"odd\.parquet: "):
        spoiled(tmp_path, **column)


def test_two_columns_of_one_name_are_refused(tmp_path):
    data = columns()
    arrays = [pa.array(v) for v in (*data.values(), data["cand"])]
    pq.write_table(pa.table(arrays, names=[*data, "cand"]), tmp_path / "odd.parquet")
    with pytest.raises(SubjectError, match="two columns are called 'cand'"):
        read_predictions(
            EvaluationSection(file="odd.parquet", label="y"),
            PredictionsSection(baseline="base", candidate="cand"),
            SlicePolicy(),
            root=tmp_path,
        )


def test_a_category_without_a_row_is_no_group(tmp_path):
    codes = pa.array(np.arange(60) % 2, pa.int8())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["M", "F", "X"]))
    found = spoiled(tmp_path, g=column)
    assert [s.name for s in found.data.profile.slices] == ["all", "g=F", "g=M"]
