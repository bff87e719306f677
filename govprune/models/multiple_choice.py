"""A Hugging Face folder with a language model, asked how likely each choice is after a prompt.

A choice is read right behind the prompt: it begins with a space where one belongs. Its score is the
logarithm of its probability, summed over its tokens: that is what the model says of the choice
itself. An average per token would be no probability, and would favour long choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..subjects import InputKind, Subject
from .base import Floats
from .hugging_face import Folder, Json, build, read_tensors
from .onnx_model import finite
from .text_classifier import Tokens, load_tokens
from .torch_model import first_line

if TYPE_CHECKING:
    import torch

SCORES = 1 << 26
"""Most scores of tokens at once: one per token of the vocabulary, for each token of the texts."""


class Asked(NamedTuple):
    """A prompt with one choice."""

    ids: list[int]
    choice: list[int]
    """Places of the tokens that hold a character of the choice."""


@dataclass(frozen=True)
class MultipleChoice:
    """A causal language model and its tokenizer."""

    role: str
    module: "torch.nn.Module"
    tokens: Tokens
    vocabulary: int
    tensors: "dict[str, torch.Tensor]"
    """Exactly what the weights files hold."""
    weights: Subject
    """The folder."""
    files: tuple[Subject, ...]
    """The folder, and every file in it."""
    kind: str = "a Hugging Face language model"
    code: None = None
    remarks: tuple[str, ...] = ()
    takes: tuple[InputKind, ...] = ("texts",)
    unsafe: str | None = None
    classes: tuple[str, ...] = ()

    def outputs(self, features: npt.NDArray[Any]) -> Floats:
        """Return the logarithm of each choice's probability, shape (rows, choices).

        Args:
            features: Texts, shape (rows, 1 + choices): the prompt, and each choice. Prompts that
                are too long lose their beginning.

        Raises:
            SubjectError: There are no choices, one has no token, the model fails, or it gives NaN
                or infinite scores.
        """
        if features.ndim != 2 or features.shape[1] < 3 or features.dtype.kind not in "OU":
            raise SubjectError(
                f"the {self.role} is {self.kind}: it takes a prompt and two choices or more per "
                "row; name their columns under evaluation.text and evaluation.choices"
            )
        asked = [
            self._asked(row[0], choice, i)
            for i, row in enumerate(features, 1)
            for choice in row[1:]
        ]
        said = np.empty(len(asked))
        most = max(SCORES // self.vocabulary, 1)
        for rows in self.tokens.batches([len(a.ids) for a in asked], most=most):
            said[rows] = self._answer([asked[i] for i in rows])
        return finite(said.reshape(len(features), -1), self.role, self.weights.name)

    def _asked(self, prompt: Any, choice: Any, row: int) -> Asked:
        text = prompt + choice if isinstance(prompt, str) and isinstance(choice, str) else None
        (encoding,) = self.tokens.encode([text], role=self.role, first=row)
        places = [i for i, (_, end) in enumerate(encoding.offsets) if end > len(prompt)]
        cut = max(len(encoding.ids) - (self.tokens.limit or len(encoding.ids)), 0)
        # The first token follows nothing, so that nothing says how likely it is.
        if not places or places[0] - cut < 1:
            what = "no prompt before" if places else "no token in"
            raise SubjectError(
                f"row {row}: the {self.role} sees {what} a choice (or both are longer than its "
                f"{self.tokens.limit} tokens)"
            )
        return Asked(encoding.ids[cut:], [i - cut for i in places])

    def _answer(self, asked: Sequence[Asked]) -> Floats:
        import torch

        given = self.tokens.side_by_side([a.ids for a in asked])
        try:
            with torch.inference_mode():
                logits = self.module(**given, use_cache=False).logits
                likely = [
                    torch.log_softmax(said[[i - 1 for i in a.choice]].double(), dim=1)
                    .gather(1, torch.tensor(a.ids)[a.choice, None])
                    .sum()
                    .item()
                    for said, a in zip(logits, asked, strict=True)
                ]
        except Exception as error:  # a configuration may break its model in any way
            raise SubjectError(
                f"the {self.role} cannot read a text of {len(asked[-1].ids)} tokens: "
                f"{first_line(error)[:300]}"
            ) from error
        return np.array(likely)


def load_multiple_choice(folder: Folder, config: Json) -> MultipleChoice:
    """Build the module and its tokenizer; raises SubjectError as `build` and `load_tokens` do."""
    tensors = read_tensors(folder)
    module = build(folder, config, tensors)
    tokens = load_tokens(folder, config, module)
    tokens.tokenizer.no_truncation()
    places = config.get("max_position_embeddings")
    limits = [n for n in (tokens.limit, places) if isinstance(n, int)]
    # What fills texts up stands behind them, and a token sees only those before it.
    padding = 0 if tokens.padding is None else tokens.padding
    return MultipleChoice(
        role=folder.role, module=module, tensors=tensors, weights=folder.subjects[0],
        files=folder.subjects, vocabulary=module.get_input_embeddings().num_embeddings,
        tokens=Tokens(tokens.tokenizer, padding, min(limits, default=None)),
    )  # fmt: skip
