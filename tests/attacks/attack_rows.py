"""The rows of the table of attacks, the rule of each, and what a defence is."""

from dataclasses import dataclass
from enum import StrEnum


class Row(StrEnum):
    """The rows, in words."""

    ANOTHER_MODEL = "evidence of another model; a model exchanged after the gate or while copied"
    EXTRA_FILE = "a file more beside the model"
    REPLAY = "an old pass after a newer failure; an expired pass; a pass of another log"
    DOWNGRADE = "algorithm none, RSA, SHA-1, an older schema, fewer questions than the policy asks"
    COUNTED_TWICE = "one key counted twice; a signature twice"
    PAYLOAD = "another payload; two payloads; a key twice in JSON or YAML; unsigned fields"
    PDF = "a card altered: a later revision, pages, attachment, annotation, bytes, signature, key"
    CARD_AND_EVIDENCE = "the PDF says PASSED where the evidence says FAILED"
    PICKLE = "a pickle in a model file"
    ARCHIVE = "names with .., absolute names, links, devices and bombs in archives and folders"
    YAML = "YAML bombs, tags, no, 1:30, .inf; a policy with {{, ../ or an address"
    TEMPLATE = "HTML, SVG, @import or a template in the name of a group"
    LOG = "a log edited, cut off or forked"
    NUMBER = "NaN, infinity, minus zero, nothing counted"
    KILL = "a kill or a full disk at any step"
    PERSONAL_DATA = "personal data in any output"
    PEOPLE = "a waiver forged, expired, out of scope, of one's own; an approval after a change"
    TRUST = "a key revoked, stolen or rotated; a trust policy rolled back, frozen or forged"
    PLAN = "bounds that were changed once results were known"
    SERVED = "an alias moved, or moved again, by somebody who may not"
    KEY = "a weak key, a malleable signature, a forged proof"


RULES = {
    Row.ANOTHER_MODEL: "digests are taken again from the bytes, while copying, following no link",
    Row.EXTRA_FILE: "the list of files is closed; nothing is ignored",
    Row.REPLAY: "expiry, and the place in the log",
    Row.DOWNGRADE: "one algorithm each; the plan follows from the policy",
    Row.COUNTED_TWICE: "exactly one signature",
    Row.PAYLOAD: "verified first, parsed second; duplicates and unknown fields are refused",
    Row.PDF: "one signature over every byte, by the pinned key; the digest is in the verdict",
    Row.CARD_AND_EVIDENCE: "the attachment is the bundle's evidence; the verdict follows from it",
    Row.PICKLE: "never loaded, unless --unsafe-load says so by name",
    Row.ARCHIVE: "nothing is unpacked to disk; names are checked, sizes bounded, links refused",
    Row.YAML: "a strict reader, strict types, bounds on size; no templates",
    Row.TEMPLATE: "names are escaped; the renderer's fetcher hands out fonts only",
    Row.LOG: "the whole log is checked against every checkpoint that is remembered",
    Row.NUMBER: "an error, or open; never a pass",
    Row.KILL: "written aside, synced, then renamed: whole or not there",
    Row.PERSONAL_DATA: "outputs are made of counts; small groups are merged, findings masked",
    Row.PEOPLE: "own signed statements, roles, clock, digests; what was not measured is not waived",
    Row.TRUST: "versions only grow and end; old roots sign new ones; a thief dates nothing",
    Row.PLAN: "the plan stands in the log before every verdict and every other plan on the data",
    Row.SERVED: "registrars sign each move and its place; what serves is judged again",
    Row.KEY: "strict verification, strong keys, proofs of the very length",
}


@dataclass(frozen=True)
class Defence:
    """A line of code without which an attack goes through."""

    row: Row
    test: str
    """Below tests/, as pytest names it."""
    module: str
    """Below govprune/."""
    line: str
    without: str
