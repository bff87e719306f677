"""What an archive says is computed again from its counts, and only that."""

import json

import pytest
from income_card import HARMED, adult

from govprune.errors import EvidenceError
from govprune.evidence.statement import from_statement, recompute, to_statement
from govprune.measurements import Paired
from govprune.policy import decide


def reworded(evidence, **changed):
    findings = tuple(f.model_copy(update=changed) for f in evidence.verdict.findings)
    return evidence.model_copy(update={"verdict": decide(findings)})


def test_a_statement_survives_its_bytes():
    evidence = adult(HARMED)

    assert from_statement(to_statement(evidence), source="here") == evidence


def test_an_archive_that_a_later_version_would_word_otherwise_still_holds():
    recompute(reworded(adult(HARMED), reason="put differently", rows_to_decide=7))


@pytest.mark.parametrize(
    "changed", [{"value": 0.0}, {"low": 0.0}, {"high": 0.0}, {"p_adjusted": 0.5}, {"n": 7}]
)
def test_a_number_its_counts_do_not_support_is_refused(changed):
    with pytest.raises(EvidenceError, match="do not follow from the measurements"):
        recompute(reworded(adult(HARMED), **changed))


def test_counts_that_were_improved_are_refused():
    evidence = adult(HARMED)
    kinder = tuple(
        m.model_copy(update={"basis": m.basis.model_copy(update={"baseline_only": 0})})
        if isinstance(m.basis, Paired)
        else m
        for m in evidence.measurements
    )

    with pytest.raises(EvidenceError, match="do not follow"):
        recompute(evidence.model_copy(update={"measurements": kinder}))


def test_a_plan_that_asks_less_is_refused():
    evidence = adult(HARMED)
    fewer = evidence.plan.model_copy(update={"questions": evidence.plan.questions[1:]})

    with pytest.raises(EvidenceError, match="the plan does not follow"):
        recompute(evidence.model_copy(update={"plan": fewer}))


def test_bytes_that_are_not_canonical_are_refused():
    payload = to_statement(adult(HARMED))

    with pytest.raises(EvidenceError, match="canonical"):
        from_statement(json.dumps(json.loads(payload)).encode(), source="here")
