"""A real sentence transformer in its folder, pruned, goes the whole line and stays closed."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch
from hugging_face_folders import SOURCE, sentences, write
from sklearn.linear_model import LogisticRegression

from govprune import run
from govprune.evidence.keys import new_keys
from govprune.job import ModelFiles
from govprune.models import load

JOB = """\
name: sentences
title: Which library a sentence documents
baseline: {weights: dense}
step: {name: prune-a-little}
candidate: {weights: pruned}
evaluation: {file: sentences.parquet, label: sklearn, text: sentence, slices: [kind]}
policy: policy.yaml
key: keys/gate.key
"""


POLICY = """\
name: sentences
rules:
  - {id: no-kind-loses, check: slice-performance, metric: accuracy-change, at_least: -0.2}
"""


def without_smallest(tensors, share):
    """Zero a share of each matrix, the smallest weights first."""
    result = {}
    for name, tensor in tensors.items():
        smallest = tensor.abs().flatten().kthvalue(max(int(tensor.numel() * share), 1)).values
        keep = tensor.abs() > smallest if tensor.ndim > 1 else torch.ones_like(tensor)
        result[name] = tensor * keep
    return result


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """MiniLM with a head fitted on every second sentence, and two pruned ones."""
    place = tmp_path_factory.mktemp("folders")
    root = place / "job"
    root.mkdir()
    tensors = safetensors.torch.load_file(SOURCE / "model.safetensors")
    kept = {f"bert.{n}": tensor for n, tensor in tensors.items() if "position_ids" not in n}
    # The first token as it is: the wheel's pooler was never trained.
    kept |= {"bert.pooler.dense.weight": torch.eye(384), "bert.pooler.dense.bias": torch.zeros(384)}
    config = json.loads((SOURCE / "config.json").read_text())
    config |= {"architectures": ["BertForSequenceClassification"]}
    eye = {"classifier.weight": torch.eye(384), "classifier.bias": torch.zeros(384)}
    wide = {"id2label": {str(i): str(i) for i in range(384)}}
    write(root / "encoder", kept | eye, config | wide)
    encoder = load(ModelFiles(weights="encoder"), role="baseline", root=root)
    texts, labels, kinds = (column[::3] for column in sentences())
    rows, y = np.array(texts, dtype=object)[:, None], np.array(labels)
    head = LogisticRegression(C=10, max_iter=500).fit(encoder.outputs(rows[::2]), y[::2])
    shutil.rmtree(root / "encoder")
    weight, bias = torch.tensor(head.coef_, dtype=torch.float32), float(head.intercept_[0])
    kept |= {
        "classifier.weight": torch.cat([-weight, weight]) / 2,
        "classifier.bias": torch.tensor([-bias, bias]) / 2,
    }
    write(root / "dense", kept, config)
    write(root / "pruned", without_smallest(kept, 0.05), config)
    write(root / "harmed", without_smallest(kept, 0.7), config)
    columns = {"sentence": texts, "sklearn": labels, "kind": kinds}
    pl.DataFrame(columns)[1::2].write_parquet(root / "sentences.parquet")
    (root / "govprune.yaml").write_text(JOB)
    (root / "policy.yaml").write_text(POLICY)
    _, public = new_keys(root / "keys", owner="gate@example.org")
    (place / "account" / "trusted").mkdir(parents=True)
    (place / "account" / "trusted" / "gate.pub").write_bytes(public.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOVPRUNE_HOME", str(place / "account"))
        assert run(root, out=root / "bundle").verdict.result == "PASSED"
    return place


@pytest.fixture
def folders(place, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(place / "account"))
    monkeypatch.chdir(place / "job")
    return place / "job"


def test_a_pruned_transformer_is_gated_verified_promoted_and_rolled_back(folders, govprune):
    verified = govprune("verify", "bundle")
    assert verified.code == 0, verified
    for line in ("candidate pruned: unchanged", "baseline dense/tokenizer.json: unchanged"):
        assert line in verified.out
    assert govprune("promote", "bundle", "--to", "words").code == 0
    assert govprune("verify", "words@champion").code == 0
    assert govprune("rollback", "words").code == 0
    served = govprune("verify", "words@champion")
    assert served.code == 0
    assert "VERIFIED BASELINE  dense sha256" in served.out


def test_harm_to_real_texts_is_found_and_attacks_on_numbers_say_why_not(folders, govprune):
    job = (folders / "govprune.yaml").read_text()
    (folders / "harmed.yaml").write_text(job.replace("weights: pruned", "weights: harmed"))
    (folders / "asks.yaml").write_text(
        POLICY.replace("-0.2", "-0.05")
        + "  - {id: robust, check: evasion, metric: robust-accuracy-change, at_least: -0.1}\n"
        "  - {id: sane, check: gradient-sanity, metric: gradient-coverage, at_least: 0.5}\n"
    )
    done = govprune("run", "harmed.yaml", "--no-pdf", "--policy", "asks.yaml", "--out", "harm")
    assert done.code == 1, done
    assert "FAIL         no-kind-loses" in done.out
    assert done.out.count("inputs are texts") == 2


def test_a_file_that_is_added_taken_away_or_changed_later_is_found(folders, govprune):
    added = folders / "pruned" / "chat_template.jinja"
    added.write_text("{{ 'ignore the text' }}")
    found = govprune("verify", "bundle")
    assert found.code == 4
    assert "added: chat_template.jinja" in found.err
    assert govprune("promote", "bundle", "--to", "other").code == 4
    added.unlink()
    config = folders / "pruned" / "tokenizer_config.json"
    before = config.read_bytes()
    config.write_text("{}")
    assert "changed: tokenizer_config.json" in govprune("verify", "bundle").err
    config.unlink()
    assert "missing: tokenizer_config.json" in govprune("verify", "bundle").err
    config.write_bytes(before)
    assert govprune("verify", "bundle").code == 0


def test_an_altered_listing_in_the_registry_is_found(folders, govprune):
    assert govprune("promote", "bundle", "--to", "listed").code == 0
    served = json.loads(govprune("verify", "listed@champion", "--format", "json").out)
    (folder,) = [s for s in served["hashed"] if s["kind"] == "folder"]
    (place,) = folders.rglob(folder["sha256"])
    assert [line.split("  ")[1] for line in place.read_text().splitlines()] == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    place.chmod(0o644)
    place.write_text(place.read_text().replace("config", "other", 1))
    assert govprune("verify", "listed@champion").code == 4


def test_a_text_model_that_is_given_numbers_says_what_to_name(folders, govprune):
    job = (folders / "govprune.yaml").read_text()
    job = job.replace("text: sentence", "features: [number]").replace("[kind]", "[label]")
    job = job.replace("label: sklearn", "label: label").replace("sentences.parquet", "numbers.csv")
    (folders / "numbers.csv").write_text("number,label\n" + "1,a\n2,b\n" * 30)
    (folders / "numbers.yaml").write_text(job)
    done = govprune("run", "numbers.yaml", "--no-pdf", "--out", "numbers")
    assert done.code == 2
    assert "takes texts: name its columns under evaluation.text" in done.err
