"""scikit-learn estimators go the same line, and what was loaded on trust is said on page one."""

import copy

import joblib
import polars as pl
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from govprune import run

JOB = """\
name: estimators
title: A pair of estimators
baseline: {{weights: dense.skops}}
step: {{name: prune, claim: {{sparsity: 0.3}}}}
candidate: {{weights: {candidate}}}
evaluation: {{file: evaluation.csv, label: y, features: [a, b, c], slices: [g]{more}}}
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: small
rules:
  - {id: no-slice-loses, check: slice-performance, metric: accuracy-change, at_least: -0.03}
  - {id: claims-are-true, check: compression-claim, metric: claim-error, at_most: 0.12}
  - {id: explained, check: derivation, metric: unexplained-weights, at_most: 0}
  - {id: same-twice, check: artefact-parity, metric: repeat-agreement, at_least: 0.9}
  - {id: robust, check: evasion, metric: robust-accuracy-change, at_least: -0.1}
params:
  artefact-parity: {rows: 100, alone: 50}
  evasion: {rows: 400, steps: 5, restarts: 1, queries: 40}
"""


@pytest.fixture
def estimators(job):
    """A scaler and a logistic regression whose third feature says nothing, and is cut off."""
    rows = pl.read_csv(job / "evaluation.csv")
    x, y = rows.select("a", "b", "c").to_numpy(), rows["y"].to_numpy()
    dense = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    pruned, harmed = copy.deepcopy(dense), copy.deepcopy(dense)
    pruned[1].coef_[0, 2] = 0
    harmed[1].coef_[0, 0] = 0
    for name, estimator in (("dense", dense), ("pruned", pruned), ("harmed", harmed)):
        skops.io.dump(estimator, job / f"{name}.skops")
    joblib.dump(pruned, job / "pruned.joblib")
    (job / "policy.yaml").write_text(POLICY)
    return job


def write(job, candidate, more=""):
    (job / "govprune.yaml").write_text(JOB.format(candidate=candidate, more=more))


def test_a_pruned_estimator_is_gated_verified_and_promoted(estimators, govprune):
    write(estimators, "pruned.skops")
    gated = run(estimators, out=estimators / "bundle", pdf=False)
    assert gated.verdict.result == "PASSED", gated.evidence.unmeasured
    assert gated.evidence.unsafe == ()
    assert govprune("verify", "bundle").code == 0
    assert govprune("promote", "bundle", "--to", "shop").code == 0
    assert govprune("verify", "shop@champion").code == 0


def test_harm_to_an_estimator_is_found(estimators, govprune):
    write(estimators, "harmed.skops")
    done = govprune("run", "--no-pdf", "--out", "bundle")
    assert done.code == 1, done
    assert "FAIL         no-slice-loses" in done.out


def test_a_pickle_goes_the_line_on_trust_and_page_one_says_so(estimators, govprune):
    write(estimators, "pruned.joblib")
    refused = govprune("run", "--no-pdf", "--out", "bundle")
    assert refused.code == 2
    assert "--unsafe-load" in refused.err
    gated = run(estimators, out=estimators / "bundle", unsafe_load=True, pdf=False)
    assert gated.verdict.result == "PASSED"
    (said,) = gated.evidence.unsafe
    assert said.startswith("The candidate is a scikit-learn LogisticRegression, whose loading can")
    assert said.split(":")[0] in (estimators / "bundle" / "card.html").read_text()


def test_a_link_of_a_chain_that_was_loaded_on_trust_is_named(estimators):
    write(estimators, "pruned.skops")
    job = (estimators / "govprune.yaml").read_text()
    link = "chain: [{step: {name: first}, model: {weights: pruned.joblib}}]\n"
    (estimators / "govprune.yaml").write_text(job + link)
    gated = run(estimators, out=estimators / "bundle", unsafe_load=True, pdf=False)
    assert [said.split(",")[0] for said in gated.evidence.unsafe] == [
        "The link-1 is a scikit-learn LogisticRegression"
    ]


def test_classes_in_another_order_than_the_estimators_are_refused(estimators, govprune):
    write(estimators, "pruned.skops", ", classes: ['1', '0']")
    done = govprune("run", "--no-pdf", "--out", "bundle")
    assert done.code == 2
    assert "scores the classes ['0', '1'] in this order" in done.err
