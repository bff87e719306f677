"""A vision transformer trained on real digits, in its folder, goes the whole line."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch
import transformers
from sklearn.datasets import load_digits

from govprune import run
from govprune.errors import SubjectError
from govprune.evidence.keys import new_keys
from govprune.job import ModelFiles
from govprune.models import load

JOB = """\
name: digits
title: Handwritten digits
baseline: {weights: dense}
step: {name: prune, claim: {sparsity: 0.1}}
candidate: {weights: CANDIDATE}
evaluation: {file: digits.parquet, label: digit, features: ["p*"], slices: [ink]}
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: digits
rules:
  - {id: no-slice-loses, check: slice-performance, metric: accuracy-change, at_least: -0.1}
  - {id: explained, check: derivation, metric: unexplained-weights, at_most: 0}
  - {id: robust, check: evasion, metric: robust-accuracy-change, at_least: -0.3}
  - {id: usable, check: gradient-sanity, metric: gradient-coverage, at_least: 0.9}
params:
  evasion: {rows: 50, steps: 5, restarts: 1, queries: 40}
  gradient-sanity: {rows: 50, steps: 5, queries: 40}
"""


def pruned(module, share, folder):
    """Zero this share of every matrix, the smallest weights first, and write the folder."""
    copy = transformers.ViTForImageClassification(module.config)
    copy.load_state_dict(module.state_dict())
    with torch.no_grad():
        for weight in copy.parameters():
            if weight.ndim > 1:
                least = weight.abs().flatten().kthvalue(max(int(weight.numel() * share), 1)).values
                weight.mul_(weight.abs() > least)
    copy.save_pretrained(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    root = place / "job"
    root.mkdir()
    pixels, digit = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    config = transformers.ViTConfig(
        image_size=8, patch_size=2, num_channels=1, hidden_size=48, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=96, num_labels=10, hidden_dropout_prob=0.0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = transformers.ViTForImageClassification(config)
        optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3)
        images, y = torch.tensor(pixels).reshape(-1, 1, 8, 8), torch.tensor(digit)
        for _ in range(12):
            for rows in torch.randperm(1000).split(64):
                optimiser.zero_grad()
                module(pixel_values=images[rows], labels=y[rows]).loss.backward()
                optimiser.step()
    module.eval()
    module.save_pretrained(root / "dense")
    pruned(module, 0.1, root / "pruned")
    pruned(module, 0.9, root / "harmed")
    columns = {f"p{i:02}": pixels[1000:, i] for i in range(64)} | {"digit": digit[1000:]}
    columns["ink"] = np.where(pixels[1000:].mean(axis=1) > 0.3, "much", "little").tolist()
    pl.DataFrame(columns).write_parquet(root / "digits.parquet")
    (root / "policy.yaml").write_text(POLICY)
    (root / "govprune.yaml").write_text(JOB.replace("CANDIDATE", "pruned"))
    _, public = new_keys(root / "keys", owner="gate@example.org")
    (place / "account" / "trusted").mkdir(parents=True)
    (place / "account" / "trusted" / "gate.pub").write_bytes(public.read_bytes())
    return place


@pytest.fixture
def images(place, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(place / "account"))
    monkeypatch.chdir(place / "job")
    return place / "job"


def read(root, name="dense"):
    return load(ModelFiles(weights=name), role="candidate", root=root)


def test_columns_are_pixels_row_by_row_and_scores_are_transformers_own(images):
    rows = pl.read_parquet("digits.parquet").select("^p.*$").to_numpy()
    own = transformers.ViTForImageClassification.from_pretrained(images / "dense").eval()
    with torch.inference_mode():
        expected = own(pixel_values=torch.tensor(rows).reshape(-1, 1, 8, 8)).logits
    said = read(images).outputs(rows)
    assert np.allclose(said, expected, atol=1e-4)
    digit = pl.read_parquet("digits.parquet")["digit"].to_numpy()
    assert (said.argmax(1) == digit).mean() > 0.6


def test_a_vision_transformer_is_attacked_gated_verified_and_promoted(images, govprune):
    gated = run(images, out=images / "bundle", pdf=False)
    assert gated.verdict.result == "PASSED", (gated.verdict, gated.evidence.unmeasured)
    assert govprune("verify", "bundle").code == 0
    assert govprune("promote", "bundle", "--to", "digits").code == 0
    assert govprune("verify", "digits@champion").code == 0


def test_harm_to_a_vision_transformer_is_found(images, govprune):
    (images / "harmed.yaml").write_text(JOB.replace("CANDIDATE", "harmed"))
    (images / "only.yaml").write_text(POLICY.split("  - {id: explained")[0])
    done = govprune("run", "harmed.yaml", "--no-pdf", "--policy", "only.yaml", "--out", "harm")
    assert done.code == 1, done
    assert "FAIL         no-slice-loses" in done.out


def test_another_number_of_pixels_is_refused_with_what_it_takes(images):
    with pytest.raises(SubjectError, match="it takes 1 x 8 x 8 = 64 pixels"):
        read(images).outputs(np.zeros((2, 63), dtype=np.float32))


def test_a_folder_that_names_no_size_is_refused(images, tmp_path):
    folder = shutil.copytree(images / "dense", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_size": "large"}))
    with pytest.raises(SubjectError, match="image_size names no height and width"):
        read(tmp_path, "model")


def test_a_file_that_is_added_to_the_folder_is_a_subject(images, tmp_path):
    folder = shutil.copytree(images / "dense", tmp_path / "model")
    before = read(tmp_path, "model")
    (folder / "preprocessor_config.json").write_text("{}")
    after = read(tmp_path, "model")
    assert len(after.files) == len(before.files) + 1
    assert after.weights.sha256 != before.weights.sha256
    assert safetensors.torch.load_file(folder / "model.safetensors").keys() == after.tensors.keys()
