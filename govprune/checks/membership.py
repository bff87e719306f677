"""How much easier the candidate makes it to tell whose row was in the training data.

Members are rows of the declared fine-tuning data, non-members evaluation rows. Both models are
attacked on the same rows, so their areas under the ROC curve are compared as pairs (DeLong).
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from ..attacks.membership import black_box_scores, loss_scores
from ..errors import CheckError
from ..measurements import Figure, Measurement, Normal
from ..models import logits
from ..records import Record
from ..stats.auc import PairedAuc, paired_auc
from .base import Case, Check

FEWEST = 50
"""Members the attacks can be judged on at all: half of them train ART's attack."""


class MembershipParams(Record):
    """Parameters of the membership check."""

    rows: int = Field(default=4000, ge=200)
    """Members, and as many non-members, drawn once."""


def measure(case: Case, params: MembershipParams) -> Iterator[Measurement | Figure]:
    """Attack both models with both attacks."""
    if case.members is None:
        raise CheckError(
            "no training rows are declared: name the data that trained or fine-tuned the models "
            "under fine_tuning, with the same label and feature columns"
        )
    features, labels = case.members
    random = np.random.default_rng(case.seed)
    count = min(params.rows, len(labels), len(case.data.labels))
    if count < FEWEST:
        raise CheckError(
            f"{len(labels)} training and {len(case.data.labels)} evaluation rows: the attacks "
            f"need {FEWEST} of each"
        )
    inside = random.choice(len(labels), count, replace=False)
    outside = random.choice(len(case.data.labels), count, replace=False)
    rows, outside_rows = features[inside], case.data.features[outside]
    loss_in, loss_out, trained_in, trained_out = [], [], [], []
    for model in (case.baseline, case.candidate):
        member = (rows, logits(model.outputs(rows)), labels[inside])
        other = (outside_rows, logits(model.outputs(outside_rows)), case.data.labels[outside])
        loss_in.append(loss_scores(member[1], member[2]))
        loss_out.append(loss_scores(other[1], other[2]))
        a, b = black_box_scores(model, member, other, seed=case.seed)
        trained_in.append(a)
        trained_out.append(b)
    loss = paired_auc((loss_in[0], loss_in[1]), (loss_out[0], loss_out[1]))
    trained = paired_auc((trained_in[0], trained_in[1]), (trained_out[0], trained_out[1]))
    yield _measurement("loss-attack-auc-change", loss)
    yield _measurement("black-box-attack-auc-change", trained)
    yield Figure(
        check="membership",
        title="Area under the ROC curve of each attack (0.5 is guessing)",
        columns=("attack", "rows", "baseline", "candidate"),
        rows=(
            ("loss threshold", f"{loss.n:,}", f"{loss.first:.3f}", f"{loss.second:.3f}"),
            (
                "trained (ART random forest)",
                f"{trained.n:,}",
                f"{trained.first:.3f}",
                f"{trained.second:.3f}",
            ),
        ),
    )


def _measurement(metric: str, auc: PairedAuc) -> Measurement:
    return Measurement(
        check="membership",
        metric=metric,
        basis=Normal(
            baseline=auc.first,
            candidate=auc.second,
            standard_error=auc.standard_error,
            n=auc.n,
            fewer=auc.fewer,
        ),
    )


MEMBERSHIP = Check(id="membership", params=MembershipParams, measure=measure)
