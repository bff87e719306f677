"""What an archive says is computed again from its counts, and only that."""

import json

import pytest
from income_card import HARMED, adult

from govprune.errors import EvidenceError
from govprune.evidence.statement import from_statement, recompute, to_statement
from govprune.measurements import Exact, Paired
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


def answered(evidence, change):
    """The same evidence with every paired count changed."""
    measurements = tuple(
        m.model_copy(update={"basis": change(m.basis)}) if isinstance(m.basis, Paired) else m
        for m in evidence.measurements
    )
    return evidence.model_copy(update={"measurements": measurements})


def kinder(basis):
    both = basis.both + basis.baseline_only
    return basis.model_copy(update={"both": both, "baseline_only": 0})


def test_counts_that_were_improved_are_refused():
    with pytest.raises(EvidenceError, match=r"do not follow|contradicts the counts"):
        recompute(answered(adult(HARMED), kinder))


def test_counts_over_other_rows_than_the_data_has_are_refused():
    with pytest.raises(EvidenceError, match=r"rests on \d+ rows, the data profile says 16281"):
        recompute(answered(adult(HARMED), lambda b: b.model_copy(update={"baseline_only": 0})))


def test_a_bare_number_in_place_of_counts_is_refused():
    with pytest.raises(EvidenceError, match="answered by 'exact', where only paired can"):
        recompute(answered(adult(HARMED), lambda b: Exact(value=0.0, n=b.n)))


def test_a_plan_that_asks_less_is_refused():
    evidence = adult(HARMED)
    fewer = evidence.plan.model_copy(update={"questions": evidence.plan.questions[1:]})

    with pytest.raises(EvidenceError, match="the plan does not follow"):
        recompute(evidence.model_copy(update={"plan": fewer}))


def test_bytes_that_are_not_canonical_are_refused():
    payload = to_statement(adult(HARMED))

    with pytest.raises(EvidenceError, match="canonical"):
        from_statement(json.dumps(json.loads(payload)).encode(), source="here")
