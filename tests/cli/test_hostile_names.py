"""Names come from data, and data may be anybody's."""

import pytest

from govprune.cli.output import where
from govprune.policy import Question


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("x\nPASSED  12 pass", r"all rows, class x\nPASSED  12 pass"),
        ("\x1b[2Jx", r"all rows, class \x1b[2Jx"),
        ("\u202ex", r"all rows, class \u202ex"),
    ],
)
def test_a_class_cannot_write_a_line_of_its_own(label, shown):
    asked = Question(rule="r", check="c", metric="m", slice="all", label=label)
    assert where(asked) == shown
