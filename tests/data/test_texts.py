"""Rows that are texts: read as they lie, and refused where one lacks its text."""

import numpy as np
import pytest
from pydantic import ValidationError
from worlds import asked, case, evaluation

from govprune.checks.slice_discovery import SLICE_DISCOVERY
from govprune.errors import SubjectError
from govprune.job import EvaluationSection

WORDS = {
    "said": ["the first", "ÄÖ\u2028 two\x00", "", "the fourth"],
    "group": ["a", "a", "b", "b"],
    "label": [0, 1, 0, 1],
}


def test_texts_are_read_as_they_lie_and_index_like_rows(tmp_path):
    data = evaluation(tmp_path, WORDS, text="said", slices=("group",))
    assert data.inputs == "texts"
    assert data.names == ("said",)
    assert data.features.shape == (4, 1)
    assert data.features[:, 0].tolist() == WORDS["said"]
    assert data.features[[3, 0]][:, 0].tolist() == ["the fourth", "the first"]
    assert data.mutable == ()


def test_a_row_without_its_text_is_named(tmp_path):
    columns = WORDS | {"said": ["the first", "", None, "the fourth"]}
    with pytest.raises(SubjectError, match=r"row 3 has no text in 'said' \(1 rows lack one\)"):
        evaluation(tmp_path, columns, text="said")


def test_numbers_are_no_texts(tmp_path):
    with pytest.raises(SubjectError, match="'label' is Int64, not text"):
        evaluation(tmp_path, {"label": [1, 2], "y": [0, 1]}, text="label", label="y")


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SubjectError, match="no column 'words'"):
        evaluation(tmp_path, WORDS, text="words")


def test_a_job_without_inputs_is_told_both_ways_to_name_them(tmp_path):
    with pytest.raises(SubjectError, match=r"neither evaluation\.features nor evaluation\.text"):
        evaluation(tmp_path, WORDS)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"features": ["a"]}, "not both"),
        ({"mutable": ["a"]}, "texts have none"),
        ({"slices": ["said"]}, "is the label or a slice"),
        ({"label": "said"}, "is the label or a slice"),
    ],
)
def test_texts_exclude_what_only_features_have(more, said):
    given = {"file": "f.csv", "label": "label", "text": "said"} | more
    with pytest.raises(ValidationError, match=said):
        EvaluationSection.model_validate(given)


class Reader:
    """Says the first word of a text; the candidate errs on those that end in `b odd`."""

    def __init__(self, role):
        self.role = role

    def outputs(self, rows):
        words = [text.split() for text in rows[:, 0]]
        right = np.array([said[0] == "yes" for said in words])
        harmed = np.array([said[1:] == ["b", "odd"] for said in words])
        said = right ^ (harmed & (self.role == "candidate"))
        return 4.0 * np.stack([~said, said], axis=1)


def test_a_slice_is_found_by_its_group_and_no_text_is_taken_for_a_number(tmp_path):
    label = [i // 2 % 2 for i in range(2000)]
    group = ["ab"[i // 4 % 2] for i in range(2000)]
    said = [
        f"{'yes' if y else 'no'} {g} {('even', 'odd')[i % 2]}"
        for i, (y, g) in enumerate(zip(label, group, strict=True))
    ]
    columns = {"said": said, "group": group, "label": label}
    data = evaluation(tmp_path, columns, text="said", slices=("group",))
    answers = asked(case(tmp_path, Reader("baseline"), Reader("candidate"), data), SLICE_DISCOVERY)
    assert [t.slice for t in answers.basis("worst-discovered-slice").tested] == ["group=b"]
