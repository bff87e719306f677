"""Gate what each tool makes with every check there is, and write down which could answer.

python tests/tools/tool_table.py [MODEL ...]    writes docs/tools.md anew, or the named models'
                                                sections of it (some minutes each)
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT)]

import yaml  # noqa: E402 the same modules, run by hand or by pytest
from tool_candidates import BY_NAME, TOOLS, Made, Tool, refusal  # noqa: E402
from tool_worlds import World, build_world  # noqa: E402

from govprune import run  # noqa: E402
from govprune.catalogue import CATALOGUE  # noqa: E402
from govprune.gate import Gated  # noqa: E402

WORLDS = ("digits CNN", "Adult MLP", "digits GRU", "MiniLM", "silero-vad")
DOCUMENT = ROOT / "docs" / "tools.md"
ASKED = tuple(entry for entry in CATALOGUE if "classification" in entry.tasks)
PARAMS = {
    "artefact-parity": {"rows": 60, "alone": 60, "repeats": 2},
    "layer-attribution": {"minimum": 20},
    "explanation-stability": {"rows": 50, "steps": 4},
    "evasion": {"eps": 0.5, "rows": 50, "steps": 1, "restarts": 1, "queries": 5},
    "gradient-sanity": {"rows": 50, "steps": 1, "queries": 5},
    "inversion": {"starts": 10, "steps": 1},
    "membership": {"rows": 200},
    "latency": {"pairs": 20, "batch": 32, "repeat": 1, "seconds": 1},
    "energy": {"turns": 3, "seconds": 0.05, "batch": 32},
    "memory": {"runs": 1, "batch": 32},
    "fairness": {"replicates": 100},
}
"""Few rows: the table is about whether a check answers, not about what."""
BOUNDS = {
    "points": -0.99,
    "share": 0.01,
    "ratio": 0.01,
    "count": 0.5,
    "difference": -0.99,
    "bits": 1,
}


def policy(world: World) -> str:
    """Return a policy that asks each check one question, and lets any answer pass."""
    rules = [
        {
            "id": entry.id,
            "check": entry.id,
            "metric": entry.metrics[0].id,
            "at_least": BOUNDS[entry.metrics[0].unit],
            "severity": "block" if entry.id in ("slice-performance", "ranking") else "report",
        }
        for entry in ASKED
        if entry.id not in world.unasked
    ]
    params = {
        check: PARAMS.get(check, {}) | world.params.get(check, {})
        for check in PARAMS.keys() | world.params.keys()
    }
    return yaml.safe_dump(
        {"name": "every-check", "attempts": "counted", "tasks": ["classification", "ranking"],
         "slices": {"depth": 1}, "params": params, "rules": rules}
    )  # fmt: skip


def gate(world: World, made: Made, tool: Tool) -> Gated:
    """Gate what a tool made, as a job file would have it."""
    job = {
        "name": "tool", "title": tool.name, "baseline": made.baseline,
        "candidate": made.candidate,
        "step": {"name": "compress", "claim": made.claim, "retrains": made.retrains},
        "evaluation": world.section, "policy": "policy.yaml",
        "fine_tuning": [{"file": "training.parquet"}],
    }  # fmt: skip
    (world.root / "policy.yaml").write_text(policy(world))
    (world.root / "govprune.yaml").write_text(json.dumps(job))
    out = Path(tempfile.mkdtemp(dir=world.root)) / "bundle"
    return run(world.root, out=out, unsafe_unsigned=True, unsafe_load=made.unsafe, pdf=False)


def answers(gated: Gated, world: World) -> dict[str, str]:
    """Say of each check whether it answered, or why it could not."""
    measured = {m.check for m in gated.evidence.measurements}
    reasons = {u.check: u.reason for u in gated.evidence.unmeasured}
    task = world.section.get("task", "classification")
    other = {entry.id: f"a {task}: it takes classes" for entry in ASKED if task not in entry.tasks}
    reasons |= dict.fromkeys(measured, "yes") | world.unasked | other
    return {entry.id: reasons[entry.id] for entry in ASKED}


def column(tool: Tool, world: World) -> dict[str, str]:
    """Return what the table says of a tool and a world: an answer per check."""
    if said := refusal(tool, world.name):
        return dict.fromkeys((entry.id for entry in ASKED), said)
    return answers(gate(world, tool.make(world), tool), world)


def cells(columns: dict[str, dict[str, str]]) -> tuple[list[list[str]], list[str]]:
    """Return rows of cells, a row per check, and the reasons that they point to."""
    reasons = sorted({v for found in columns.values() for v in found.values()} - {"yes"})
    letter = {reason: f"{chr(97 + i)}" for i, reason in enumerate(reasons)}
    rows = [
        [entry.id, *("yes" if found[entry.id] == "yes" else letter[found[entry.id]]
                     for found in columns.values())]
        for entry in ASKED
    ]  # fmt: skip
    return rows, [f"{letter[reason]}: {reason}" for reason in reasons]


INTRODUCTION = """\
# Which check answers for which tool

Each tool below compressed a real model, and every check was asked of what came of it. *yes* means
that the check measured something; a letter says why it could not. The file is written by
`python tests/tools/tool_table.py` (or one model's section, with its name behind), and the test
suite runs every cell again and compares.

| | tool |
|---|---|
"""


def section(name: str, columns: dict[str, dict[str, str]]) -> str:
    """Write the table of one model."""
    rows, reasons = cells(columns)
    numbers = [str(i) for i, tool in enumerate(TOOLS, 1) if tool.name in columns]
    lines = [f"\n## {name}\n", "| check | " + " | ".join(numbers) + " |",
             "|---|" + "---|" * len(numbers)]  # fmt: skip
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {reason}" for reason in reasons)]) + "\n"


def document(sections: dict[str, str]) -> str:
    """Write the whole page of the sections of models."""
    tools = "".join(f"| {i} | {tool.name} |\n" for i, tool in enumerate(TOOLS, 1))
    return INTRODUCTION + tools + "".join(sections[name] for name in WORLDS if name in sections)


def written() -> dict[str, str]:
    """Return the sections of the page as it is."""
    parts = DOCUMENT.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: f"\n## {part.rstrip()}\n" for part in parts}


def main() -> None:
    """Run the cells of all models, or of those named, and write their sections of the page."""
    for name in sys.argv[1:] or WORLDS:
        world = build_world(name, Path(tempfile.mkdtemp()))
        columns = {}
        for tool in BY_NAME.values():
            columns[tool.name] = column(tool, world)
            print(name, tool.name, flush=True)
        DOCUMENT.write_text(document(written() | {name: section(name, columns)}))
        shutil.rmtree(world.root)


if __name__ == "__main__":
    main()
