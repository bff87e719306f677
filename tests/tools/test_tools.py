"""What each tool makes of real models is loaded, judged, counted and explained."""

import re
from functools import cache

import pytest
from tool_candidates import BY_NAME, TOOLS, refusal
from tool_table import ASKED, DOCUMENT, INTRODUCTION, WORLDS, answers, gate
from tool_worlds import build_world

CELLS = [(world, tool.name) for world in WORLDS for tool in TOOLS if not refusal(tool, world)]


@pytest.fixture(scope="module")
def world_of(tmp_path_factory):
    """Build each world once."""
    return cache(lambda name: build_world(name, tmp_path_factory.mktemp("worlds", numbered=True)))


def written(world: str) -> dict[str, dict[str, str]]:
    """Read what the page says: per tool, an answer per check."""
    (part,) = [p for p in DOCUMENT.read_text().split("\n## ") if p.startswith(f"{world}\n")]
    reasons = dict(re.findall(r"^- (\w+): (.*)$", part, flags=re.MULTILINE))
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    head, *body = rows
    return {
        TOOLS[int(number) - 1].name: {
            row[0]: reasons.get(row[i], row[i]) for row in body if not row[0].startswith("-")
        }
        for i, number in enumerate(head[1:], 1)
    }


@pytest.mark.parametrize(("world", "name"), CELLS)
@pytest.mark.filterwarnings("ignore")  # those of the tools; ours are errors everywhere else
def test_every_check_answers_as_the_page_says(world_of, world, name):
    tool, built = BY_NAME[name], world_of(world)
    made = tool.make(built)
    gated = gate(built, made, tool)
    assert answers(gated, built) == written(world)[name]
    found = {m.metric: m for m in gated.evidence.measurements}
    if tool.explained:
        strange = found["unexplained-weights"]
        assert strange.basis.value == tool.writes.get(world, 0), strange.notes
    elif made.retrains:
        assert found["unexplained-weights"].basis.value > 0
    if tool.saves:
        assert found["compressed"].basis.value == 1
    if made.claim:
        assert found["claim-error"].basis.value <= 0.01, found["claim-error"].notes


@pytest.mark.filterwarnings("ignore")  # as above
def test_a_deprecated_tool_is_reported(world_of):
    tool, world = BY_NAME["torch.ao.quantization, int8 dynamic"], world_of("Adult MLP")
    (found,) = [m for m in gate(world, tool.make(world), tool).evidence.measurements
                if m.metric == "compressed"]  # fmt: skip
    assert "which torch has deprecated" in found.notes[0]


def test_the_page_names_every_tool_world_and_check():
    page = DOCUMENT.read_text()
    assert page.startswith(INTRODUCTION)
    for world in WORLDS:
        columns = written(world)
        assert list(columns) == [tool.name for tool in TOOLS]
        for name, column in columns.items():
            assert list(column) == [entry.id for entry in ASKED]
            if said := refusal(BY_NAME[name], world):
                assert set(column.values()) == {said}
