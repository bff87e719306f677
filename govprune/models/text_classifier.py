"""A Hugging Face folder that gives each text a class: a transformer, and the tokenizer beside it.

Texts are cut at the length the model was made for, and answered in batches of like length, so that
little is spent on filling them up. The order of the rows is kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..subjects import InputKind, Subject
from .hugging_face import Folder, Json, build, named_classes, read_tensors
from .onnx_model import finite

if TYPE_CHECKING:
    import torch

BATCH = 64
"""Most texts at once."""
TOKENS = 16_384
"""Most tokens at once, with those that only fill texts up to one length."""
NO_LIMIT = 1_000_000
"""Tokens from which on a stated limit is none: tokenizers write 1e30 where they know of none."""

Floats = npt.NDArray[np.float64]


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Turn whatever the tokenizers raise into a SubjectError that begins with `what`.

    Panics of the Rust code beneath them are no Exception.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, SubjectError):
        raise
    except BaseException as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SubjectError(f"{what} ({line[:200]})") from error


@dataclass(frozen=True)
class Tokens:
    """A fast tokenizer, and how texts of different length are laid side by side."""

    tokenizer: Any
    """tokenizers.Tokenizer"""
    padding: int | None
    """The token that fills a text up; None where there is none, and texts go one by one."""
    limit: int | None
    """Most tokens of a text."""

    def encode(self, texts: Sequence[Any], *, role: str, first: int = 1) -> list[Any]:
        """Return an encoding of each text.

        Args:
            texts: As read: some may be missing.
            role: Of the model, for messages.
            first: Row of the first one, for messages.

        Raises:
            SubjectError: One is missing or no Unicode text, or the tokenizer fails; says which row.
        """
        for row, text in enumerate(texts, first):
            if not isinstance(text, str):
                raise SubjectError(f"row {row}: the {role} cannot read a text that is missing")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise SubjectError(
                    f"row {row}: the {role} cannot read a text that holds half of a surrogate pair"
                ) from error
        with refused(f"row {first} or later: the {role}'s tokenizer fails"):
            encodings: list[Any] = self.tokenizer.encode_batch(list(texts))
        return encodings

    def batches(
        self, lengths: Sequence[int], *, most: int = TOKENS
    ) -> Iterator[npt.NDArray[np.int64]]:
        """Yield indices of texts that are answered together, the shortest first.

        Args:
            lengths: Tokens of each text.
            most: Tokens at once, where it is not a single text that has more.
        """
        order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
        texts = BATCH if self.padding is not None else 1
        start = 0
        for i in range(1, len(order) + 1):
            full = i == len(order) or i - start == texts
            if full or (i - start + 1) * lengths[order[i]] > most:
                yield order[start:i]
                start = i

    def side_by_side(self, texts: Sequence[Sequence[int]]) -> "dict[str, torch.Tensor]":
        """Return what a model takes of texts of tokens, each of shape (texts, tokens)."""
        import torch

        width = max(map(len, texts))
        fill = 0 if self.padding is None else self.padding
        given = {
            "input_ids": torch.full((len(texts), width), fill),
            "attention_mask": torch.zeros((len(texts), width), dtype=torch.int64),
        }
        for i, ids in enumerate(texts):
            given["input_ids"][i, : len(ids)] = torch.tensor(ids)
            given["attention_mask"][i, : len(ids)] = 1
        return given

    def with_types(self, encodings: Sequence[Any]) -> "dict[str, torch.Tensor]":
        """Return the same of encodings, with the part of the text each token belongs to."""
        import torch

        given = self.side_by_side([e.ids for e in encodings])
        width = given["input_ids"].shape[1]
        # Left out where all are 0: some models take these for tokens (GPT-2).
        if any(any(e.type_ids) for e in encodings):
            types = [e.type_ids + [0] * (width - len(e.ids)) for e in encodings]
            given["token_type_ids"] = torch.tensor(types)
        return given


@dataclass(frozen=True)
class TextClassifier:
    """A transformer with a classification head, and its tokenizer."""

    role: str
    module: "torch.nn.Module"
    tokens: Tokens
    tensors: "dict[str, torch.Tensor]"
    """Exactly what the weights files hold."""
    weights: Subject
    """The folder."""
    files: tuple[Subject, ...]
    """The folder, and every file in it."""
    kind: str = "a Hugging Face text classifier"
    code: None = None
    remarks: tuple[str, ...] = ()
    takes: tuple[InputKind, ...] = ("texts",)
    unsafe: str | None = None
    classes: tuple[str, ...] = ()

    def outputs(self, features: npt.NDArray[Any]) -> Floats:
        """Return the logits of each text, shape (rows, classes).

        Args:
            features: Texts, shape (rows, 1).

        Raises:
            SubjectError: These are no texts, the model fails, or it gives NaN or infinite scores.
        """
        if features.ndim != 2 or features.shape[1] != 1 or features.dtype.kind not in "OU":
            raise SubjectError(f"the {self.role} is {self.kind}: it takes one text per row")
        encodings = self.tokens.encode(features[:, 0].tolist(), role=self.role)
        if empty := next((i for i, e in enumerate(encodings, 1) if not e.ids), None):
            raise SubjectError(f"the {self.role} sees no token in the text of row {empty}")
        said: Floats | None = None
        for rows in self.tokens.batches([len(e.ids) for e in encodings]):
            part = self._answer([encodings[i] for i in rows])
            if said is None:
                said = np.empty((len(encodings), part.shape[1]))
            said[rows] = part
        assert said is not None  # noqa: S101 there is a row, so there is a batch
        return finite(said, self.role, self.weights.name)

    def _answer(self, encodings: Sequence[Any]) -> Floats:
        import torch

        try:
            with torch.inference_mode():
                logits = self.module(**self.tokens.with_types(encodings)).logits
        except Exception as error:  # a configuration may break its model in any way
            line = (str(error).strip().splitlines() or [""])[0]
            raise SubjectError(
                f"the {self.role} cannot read a text of {len(encodings[-1].ids)} tokens: "
                f"{type(error).__name__}: {line[:300]}"
            ) from error
        columns: Floats = logits.double().numpy()
        return columns


def load_text_classifier(folder: Folder, config: Json) -> TextClassifier:
    """Build the module and its tokenizer; raises SubjectError as `build` and `load_tokens` do."""
    tensors = read_tensors(folder)
    module = build(folder, config, tensors)
    return TextClassifier(
        role=folder.role, module=module, tokens=load_tokens(folder, config, module),
        tensors=tensors, weights=folder.subjects[0], files=folder.subjects,
        classes=named_classes(folder, config),
    )  # fmt: skip


def load_tokens(folder: Folder, config: Json, module: "torch.nn.Module") -> Tokens:
    """Read tokenizer.json, and from tokenizer_config.json where texts are cut.

    Raises:
        SubjectError: There is no such file, it is broken, or it knows more tokens than the model.
    """
    import tokenizers

    at = folder.path / "tokenizer.json"
    said = folder.json("tokenizer_config.json")
    try:
        data = folder.read("tokenizer.json")
    except SubjectError as error:
        raise SubjectError(f"{error}; save the fast tokenizer beside the model") from error
    rows = module.get_input_embeddings().num_embeddings  # type: ignore[operator]  # a transformer has them
    limit = _limit(said, module)
    with refused(f"{at}: not a tokenizer"):
        tokenizer = tokenizers.Tokenizer.from_buffer(data)
        if (most := max(tokenizer.get_vocab().values(), default=-1)) >= rows:
            raise SubjectError(f"{at}: knows token {most:,}, the model {rows:,} of them")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if limit is not None:
            side = "left" if said.get("truncation_side") == "left" else "right"
            tokenizer.enable_truncation(limit, direction=side)
    _refuse_contradiction(folder, said)
    padding = config.get("pad_token_id")
    return Tokens(tokenizer, padding if isinstance(padding, int) else None, limit)


def _refuse_contradiction(folder: Folder, said: Json) -> None:
    """Demand that both files agree on how a BERT tokenizer treats letters.

    transformers would follow tokenizer_config.json, and others tokenizer.json.
    """
    normalizer = folder.json("tokenizer.json").get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        return
    for name, other in (
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ):
        if name in said and said[name] != normalizer.get(other):
            raise SubjectError(
                f"{folder.path}/tokenizer_config.json: {name} is {said[name]!r}, and tokenizer.json"
                f" has {normalizer.get(other)!r}: whoever uses the model may get other tokens than "
                "are judged here; save both anew"
            )


def _limit(said: Json, module: "torch.nn.Module") -> int | None:
    """Return how many tokens the model takes: what its tokenizer says, and what it has places for.

    A model that numbers places from behind its padding token (RoBERTa) has so many fewer.
    """
    limits = []
    stated = said.get("model_max_length")
    if isinstance(stated, int | float) and 0 < stated < NO_LIMIT:
        limits.append(int(stated))
    for name, part in module.named_modules():
        places = getattr(part, "num_embeddings", None)
        if isinstance(places, int) and name.endswith(("position_embeddings", "wpe")):
            behind = getattr(part, "padding_idx", None)
            limits.append(places if behind is None else places - behind - 1)
    return min(limits, default=None)
