"""A language model trained on real documentation, asked in which order the words go on."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import tokenizers
import torch
import transformers
from hugging_face_folders import sentences
from pydantic import ValidationError

from govprune import run
from govprune.data import read_evaluation
from govprune.errors import SubjectError
from govprune.evidence.keys import new_keys
from govprune.job import EvaluationSection, ModelFiles
from govprune.models import load
from govprune.policy.rules import SlicePolicy

JOB = """\
name: choices
title: How the words go on
baseline: {weights: dense}
step: {name: prune}
candidate: {weights: CANDIDATE}
evaluation: {file: asked.parquet, label: right, text: prompt, choices: [a, b, c, d], slices: [kind]}
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: choices
rules:
  - {id: no-kind-loses, check: slice-performance, metric: accuracy-change, at_least: -0.15}
  - {id: explained, check: derivation, metric: unexplained-weights, at_most: 0}
"""
LETTERS = "abcd"


def tokenizer(texts):
    """Train a byte-level tokenizer."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=letters, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def trained(texts, made):
    """Train a GPT-2 of two layers on the texts, some seconds long."""
    config = transformers.GPT2Config(
        vocab_size=600, n_positions=48, n_embd=64, n_layer=2, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
        architectures=["GPT2LMHeadModel"],
    )  # fmt: skip
    torch.manual_seed(0)
    module = transformers.GPT2LMHeadModel(config)
    optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3)
    ids = [made.encode(text).ids[:48] for text in texts]
    ids = torch.tensor([i + [-100] * (48 - len(i)) for i in ids])
    for _ in range(4):
        for rows in torch.randperm(len(ids)).split(32):
            optimiser.zero_grad()
            batch = ids[rows]
            module(input_ids=batch.clamp(min=0), labels=batch).loss.backward()
            optimiser.step()
    return module.eval()


def write(module, made, folder, *, kept=1.0):
    """Write the folder, of every matrix only this share of its weights, the largest."""
    copy = transformers.GPT2LMHeadModel(module.config)
    copy.load_state_dict(module.state_dict())
    with torch.no_grad():
        for weight in copy.parameters():
            if weight.ndim > 1 and kept < 1:
                least = weight.abs().flatten().kthvalue(int(weight.numel() * (1 - kept))).values
                weight.mul_(weight.abs() > least)
    copy.save_pretrained(folder)
    made.save(str(folder / "tokenizer.json"))


def asked(texts, kinds):
    """Ask for the end of each text, among three with the same words in another order."""
    random = np.random.default_rng(0)
    rows = []
    for text, kind in zip(texts, kinds, strict=True):
        words = text.split()
        last = words[2:10]
        if len(set(last)) < 6:
            continue
        ends = [last, *([last[i] for i in random.permutation(len(last))] for _ in range(3))]
        order = random.permutation(4)
        row = {"prompt": " ".join(words[:2]), "right": LETTERS[list(order).index(0)], "kind": kind}
        rows.append(row | {LETTERS[i]: " " + " ".join(ends[k]) for i, k in enumerate(order)})
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("choices")
    root = place / "job"
    root.mkdir()
    texts, _, kinds = (column[::2] for column in sentences())
    made = tokenizer(texts)
    with torch.random.fork_rng():
        module = trained(texts, made)
        write(module, made, root / "dense")
        write(module, made, root / "pruned", kept=0.97)
        write(module, made, root / "harmed", kept=0.05)
    asked(texts, kinds).write_parquet(root / "asked.parquet")
    (root / "policy.yaml").write_text(POLICY)
    (root / "govprune.yaml").write_text(JOB.replace("CANDIDATE", "pruned"))
    _, public = new_keys(root / "keys", owner="gate@example.org")
    (place / "account" / "trusted").mkdir(parents=True)
    (place / "account" / "trusted" / "gate.pub").write_bytes(public.read_bytes())
    return place


@pytest.fixture
def choices(place, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(place / "account"))
    monkeypatch.chdir(place / "job")
    return place / "job"


def read(root, name="dense"):
    return load(ModelFiles(weights=name), role="candidate", root=root)


def rows(*texts):
    return np.array(texts, dtype=object)


def test_a_score_is_the_probability_that_transformers_gives_the_tokens(choices):
    made = tokenizers.Tokenizer.from_file(str(choices / "dense" / "tokenizer.json"))
    own = transformers.GPT2LMHeadModel.from_pretrained(choices / "dense").eval()
    prompt, given = "Compute the", [" mean of an array", " x", " largest eigenvalue of a matrix"]
    expected = []
    for choice in given:
        start, ids = len(made.encode(prompt).ids), made.encode(prompt + choice).ids
        with torch.inference_mode():
            likely = own(torch.tensor([ids])).logits[0].double().log_softmax(1)
        expected.append(sum(likely[i - 1, ids[i]].item() for i in range(start, len(ids))))
    said = read(choices).outputs(rows([prompt, *given], ["The", *given]))
    assert np.allclose(said[0], expected, atol=1e-4)
    assert not np.allclose(said[1], expected, atol=1e-2)


def test_all_ends_of_a_text_have_probabilities_that_add_up_to_one(choices):
    """Over every token of the vocabulary that begins with a letter or byte of its own."""
    made = tokenizers.Tokenizer.from_file(str(choices / "dense" / "tokenizer.json"))
    tokens = [made.decode([i]) for i in range(600)]
    whole = [
        t for t in tokens if len(made.encode("The" + t).ids) == len(made.encode("The").ids) + 1
    ]
    said = read(choices).outputs(rows(["The", *whole]))
    assert 0.3 < np.exp(said).sum() <= 1.0 + 1e-6


def test_a_long_prompt_loses_its_beginning_and_a_long_choice_is_refused(choices):
    model = read(choices)
    long = "mean " * 100 + "of an"
    said = model.outputs(rows([long, " array", " x"], ["other " * 50 + long, " array", " x"]))
    assert np.allclose(said[0], said[1], atol=1e-6)
    with pytest.raises(SubjectError, match=r"row 1: .* longer than its 48 tokens"):
        model.outputs(rows(["The", " mean" * 100, " x"]))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["", "an array", "x"], "row 1: the candidate sees no prompt before a choice"),
        (["The", "", "x"], "row 1: the candidate sees no token in a choice"),
        (["The", " array"], "takes a prompt and two choices or more"),
    ],
)
def test_rows_that_ask_nothing_are_refused(choices, texts, said):
    with pytest.raises(SubjectError, match=said):
        read(choices).outputs(rows(texts))


def test_a_language_model_is_gated_verified_and_promoted(choices, govprune):
    gated = run(choices, out=choices / "bundle", pdf=False)
    assert gated.verdict.result == "PASSED", (gated.verdict, gated.evidence.unmeasured)
    assert gated.evidence.profile.labels == tuple(LETTERS)
    (whole,) = [m for m in gated.evidence.measurements
                if (m.metric, m.slice) == ("accuracy-change", "all")]  # fmt: skip
    assert whole.basis.n == pl.read_parquet("asked.parquet").height
    assert govprune("verify", "bundle").code == 0
    assert govprune("promote", "bundle", "--to", "words").code == 0
    assert govprune("verify", "words@champion").code == 0


def test_harm_to_a_language_model_is_found(choices, govprune):
    (choices / "harmed.yaml").write_text(JOB.replace("CANDIDATE", "harmed"))
    done = govprune("run", "harmed.yaml", "--no-pdf", "--out", "harm")
    assert done.code == 1, done
    assert "FAIL         no-kind-loses" in done.out


def test_the_label_may_say_the_place_of_the_right_choice(choices, tmp_path):
    frame = pl.read_parquet(choices / "asked.parquet")
    places = frame["right"].replace_strict({letter: i for i, letter in enumerate(LETTERS)})
    frame.with_columns(right=places).write_parquet(tmp_path / "asked.parquet")
    section = EvaluationSection(
        file="asked.parquet", label="right", text="prompt", choices=tuple(LETTERS)
    )
    by_place = read_evaluation(section, SlicePolicy(), root=tmp_path)
    by_name = read_evaluation(section, SlicePolicy(), root=choices)
    assert by_place.classes == ("0", "1", "2", "3")
    assert by_name.classes == tuple(LETTERS)
    assert np.array_equal(by_place.labels, by_name.labels)
    assert by_name.names == ("prompt", *LETTERS)
    assert by_name.positive is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"choices": ("a", "b")}, "choices follow a text"),
        ({"text": "t", "choices": ("a",)}, "two columns or more"),
        ({"text": "t", "choices": ("a", "t")}, "none of them the text"),
        ({"text": "t", "choices": ("a", "b"), "classes": ("a", "b")}, "choices are the classes"),
        ({"text": "t", "choices": ("a", "right")}, "is the label"),
    ],
)
def test_choices_that_ask_nothing_are_refused(more, said):
    with pytest.raises(ValidationError, match=said):
        EvaluationSection.model_validate({"file": "f.csv", "label": "right"} | more)


def test_a_text_classifier_is_given_no_choices(choices, tmp_path):
    from hugging_face_folders import tiny

    tiny(tmp_path / "model")
    with pytest.raises(SubjectError, match="takes one text per row"):
        read(tmp_path, "model").outputs(rows(["The", " array", " x"]))


def test_a_tokenizer_of_another_model_is_refused(choices, tmp_path):
    folder = shutil.copytree(choices / "dense", tmp_path / "model")
    known = json.loads((folder / "tokenizer.json").read_text())
    known["model"]["vocab"]["new"] = 600
    (folder / "tokenizer.json").write_text(json.dumps(known))
    with pytest.raises(SubjectError, match="knows token 600"):
        read(tmp_path, "model")
