"""Membership inference: tell whose row the model was trained on.

Two attacks that see the scores and the true label: the loss threshold (Yeom et al. 2018) and
ART's trained black-box attack (after Shokri et al. 2017).
"""

import numpy as np
import numpy.typing as npt

from ..models import Model
from .art import Rows, quiet
from .batches import scores as asked

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def loss_scores(scores: Floats, labels: Codes) -> Floats:
    """Minus the cross-entropy per row: the higher, the more member-like."""
    top = scores.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return np.asarray(scores[np.arange(len(labels)), labels] - normaliser)


def black_box_scores(
    model: Model,
    members: tuple[Rows, Floats, Codes],
    others: tuple[Rows, Floats, Codes],
    *,
    seed: int,
) -> tuple[Floats, Floats]:
    """Train ART's attack (a random forest) on the first half, score the second.

    Args:
        members: Features, logits and labels of rows the model was trained on.
        others: The same for rows it has never seen; as many.

    Returns:
        Membership scores of the second half of the members and of the others.
    """
    classes = members[1].shape[1]
    half = min(len(members[2]), len(others[2])) // 2
    with quiet(seed):
        from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
        from art.estimators.classification import BlackBoxClassifierNeuralNetwork

        wrapped = BlackBoxClassifierNeuralNetwork(
            lambda x: _softmax(asked(model, x)),
            input_shape=members[0].shape[1:],
            nb_classes=classes,
        )
        attack = MembershipInferenceBlackBox(wrapped, attack_model_type="rf")
        attack.fit(
            y=members[2][:half],
            test_y=others[2][:half],
            pred=_softmax(members[1][:half]),
            test_pred=_softmax(others[1][:half]),
        )
        scores = [
            attack.infer(None, group[2][half:], pred=_softmax(group[1][half:]), probabilities=True)
            for group in (members, others)
        ]
    first, second = (np.asarray(s, dtype=np.float64).reshape(len(s), -1)[:, -1] for s in scores)
    return first, second


def _softmax(scores: Floats) -> Floats:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
