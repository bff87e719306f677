"""Each attack is stopped by a line that can be named: without that line, its test fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attack_rows import RULES, Row
from defences import DEFENCES, page

import govprune

HERE = Path(__file__).parent
PACKAGE = Path(govprune.__file__).parent
FAILED = 1
"""Exit code of pytest where tests ran and some failed; not that of an import that broke."""


def without_each():
    """Run the test of each defence without it; yield the defence, pytest's exit code and words."""
    asked = [[i, d.module, d.line, d.without, d.test] for i, d in enumerate(DEFENCES)]
    done = subprocess.run(
        [sys.executable, str(HERE / "without_a_defence.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for number, code, _, said in map(json.loads, done.stdout.splitlines()):
        yield DEFENCES[number], code, said


def test_every_row_has_a_rule_and_a_defence():
    assert set(RULES) == set(Row) == {defence.row for defence in DEFENCES}


def test_no_defence_is_named_twice():
    named = [(d.module, d.line, d.test) for d in DEFENCES]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("number", range(len(DEFENCES)))
def test_every_defence_is_one_line_of_code(number):
    defence = DEFENCES[number]
    assert (PACKAGE / defence.module).read_text(encoding="utf-8").count(defence.line) == 1


def test_without_its_defence_every_attack_goes_through():
    """The test of the attack must fail, and not for want of a module or a name."""
    found = list(without_each())
    assert len(found) == len(DEFENCES)
    stopped = [f"{defence}\n{said}" for defence, code, said in found if code != FAILED]
    assert not stopped, "\n\n".join(stopped)


def test_the_page_of_attacks_is_made_of_the_table():
    """If not: python tests/attacks/defences.py > docs/attacks.md."""
    assert (HERE.parents[1] / "docs" / "attacks.md").read_text(encoding="utf-8") == page()
