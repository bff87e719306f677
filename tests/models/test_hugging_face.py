"""Folders as Hugging Face writes them: what is read, what is refused, what is answered."""

import json
import pickle
import shutil
import socket

import numpy as np
import pytest
import safetensors.torch
import torch
from hugging_face_folders import tiny

from govprune.errors import SubjectError
from govprune.job import ModelFiles
from govprune.models import load

TEXTS = [
    "Short.",
    "A text that is much longer than the first one, and than all others in this list of texts.",
    "Ein Text mit Umlauten: äöü ÄÖÜ ß, 漢字 and an emoji 🙂.",
    "word " * 100,
]
ROWS = np.array(TEXTS, dtype=object)[:, None]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("once") / "model", labels=3)


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "model")


def read(folder, **more):
    return load(ModelFiles(weights=folder.name, **more), role="candidate", root=folder.parent)


def changed(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_it_says_what_transformers_itself_says(folder):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    own = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True
    ).eval()
    given = tokenizer(TEXTS, padding=True, truncation=True, max_length=40, return_tensors="pt")
    with torch.inference_mode():
        expected = own(**given).logits.numpy()
    said = read(folder).outputs(ROWS)
    assert said.shape == (4, 3)
    assert np.allclose(said, expected, atol=1e-5)


def test_batches_by_length_keep_the_order_of_the_rows(folder):
    model = read(folder)
    rows = np.array([f"{i} " * (1 + i * 7 % 30) for i in range(200)], dtype=object)[:, None]
    alone = np.concatenate([model.outputs(rows[i : i + 1]) for i in range(0, 200, 20)])
    assert np.allclose(model.outputs(rows)[::20], alone, atol=1e-5)
    assert sum(len(b) for b in model.tokens.batches([300] * 500)) == 500
    assert max(len(b) * 512 for b in model.tokens.batches([512] * 200)) <= 16_384


def test_every_file_is_a_subject_and_the_folder_is_one_too(folder):
    model = read(folder)
    first, *rest = model.files
    assert model.weights == first
    assert (first.name, first.kind) == ("model", "folder")
    assert [s.name for s in rest] == sorted(f"model/{p.name}" for p in folder.iterdir())
    assert first.size == sum(s.size for s in rest)
    assert read(folder, sha256=first.sha256).weights == first
    with pytest.raises(SubjectError, match="is sha256"):
        read(folder, sha256="0" * 64)


def test_weights_in_parts_are_one_model(folder):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    whole, names = read(folder).outputs(ROWS), sorted(tensors)
    (folder / "model.safetensors").unlink()
    where = {}
    for i, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{i}-of-00002.safetensors"
        safetensors.torch.save_file({n: tensors[n] for n in part}, folder / file)
        where |= dict.fromkeys(part, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    model = read(folder)
    assert np.array_equal(model.outputs(ROWS), whole)
    assert model.tensors.keys() == tensors.keys()
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(SubjectError, match="no model-00002-of-00002"):
        read(folder)


def test_nothing_is_asked_of_the_network_and_nothing_is_written(folder, monkeypatch, capfd):
    def refused(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    capfd.readouterr()
    read(folder).outputs(ROWS)
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    assert capfd.readouterr() == ("", "")


def test_transformers_is_left_as_loud_as_it_was(folder):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    read(folder)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


class Bang:
    def __reduce__(self):
        return (print, ("a pickle ran",))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("training_args.bin", "a pickle runs code"),
        ("sub/optimizer.pt", "a pickle runs code"),
        ("modeling_own.py", "code that ships"),
        ("tf_model.h5", "weights in another form"),
        ("adapter_config.json", "merge it first"),
        ("model.fp16.safetensors", "no part of the model"),
        ("own.so", "code that ships"),
        ("own.dylib", "code that ships"),
        ("own.pyd", "code that ships"),
        ("own.dll", "code that ships"),
        ("head.joblib", "a pickle runs code"),
        ("model.pt2", "weights in another form"),
        ("model.ts", "weights in another form"),
        ("model.jit", "weights in another form"),
        ("model.pte", "weights in another form"),
        ("head.skops", "weights in another form"),
    ],
)
def test_what_ships_beside_the_model_and_is_not_judged_is_refused(folder, name, said, capsys):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Bang()))
    with pytest.raises(SubjectError, match=said) as refused:
        read(folder)
    assert str(path) in str(refused.value)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "fields",
    [
        {"auto_map": {"AutoModel": "own.Model"}},
        {"text_config": {"auto_map": {"AutoConfig": "someone/repository--own.Config"}}},
        {"quantization_config": {"quant_method": "gptq"}},
        {"transformers_weights": "other.safetensors"},
    ],
)
def test_a_configuration_that_would_run_something_else_is_refused(folder, fields):
    changed(folder, **fields)
    with pytest.raises(SubjectError, match="refused"):
        read(folder)


def test_a_kernel_that_a_configuration_names_is_not_fetched(folder):
    expected = read(folder).outputs(ROWS)
    changed(folder, _attn_implementation="someone/kernel", attn_implementation="someone/kernel")
    assert np.array_equal(read(folder).outputs(ROWS), expected)


def test_weights_that_do_not_fit_are_refused_and_none_is_made_up(folder):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    head = tensors.pop("classifier.weight")
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    with pytest.raises(SubjectError, match=r"missing keys: classifier\.weight"):
        read(folder)
    tensors |= {"classifier.weight": head, "extra": head.clone()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    with pytest.raises(SubjectError, match="unexpected keys: extra"):
        read(folder)
    del tensors["extra"]
    tensors["classifier.weight"] = torch.zeros(5, 16)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    with pytest.raises(SubjectError, match=r"mismatched keys: .*classifier\.weight"):
        read(folder)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"architectures": ["BertModel"]}, "'BertModel' is none of the kinds"),
        ({"architectures": []}, "names no one model class"),
        ({"architectures": ["os.system"]}, "none of the kinds"),
        ({"model_type": "unheard-of"}, "knows no model_type 'unheard-of'"),
        ({"hidden_size": "wide"}, "cannot be loaded"),
    ],
)
def test_a_broken_configuration_is_refused_in_a_sentence(folder, fields, said):
    changed(folder, **fields)
    with pytest.raises(SubjectError, match=said):
        read(folder)


def test_files_that_are_missing_or_broken_are_named(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(SubjectError, match=r"tokenizer\.json: not a tokenizer"):
        read(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(SubjectError, match=r"no tokenizer\.json; save the fast tokenizer"):
        read(folder)
    (folder / "config.json").write_text('{"a": 1, "a": 2}')
    with pytest.raises(SubjectError, match="twice"):
        read(folder)


def test_a_tokenizer_of_another_model_is_refused(folder):
    path = folder / "tokenizer.json"
    tokens = json.loads(path.read_text())
    tokens["added_tokens"].append(tokens["added_tokens"][0] | {"id": 40000, "content": "[NEW]"})
    path.write_text(json.dumps(tokens))
    with pytest.raises(SubjectError, match="knows token 30,522, the model 30,522 of them"):
        read(folder)


def test_a_link_in_the_folder_is_refused(folder):
    (folder / "more.json").symlink_to(folder / "config.json")
    with pytest.raises(SubjectError, match="symbolic link"):
        read(folder)


def test_a_file_that_changes_while_the_model_is_loaded_is_found(folder, monkeypatch):
    from govprune.models import hugging_face

    def slow(*given, **more):
        found = digest(*given, **more)
        changed(folder, hidden_dropout_prob=0.2)
        return found

    digest = hugging_face.digest_model
    monkeypatch.setattr(hugging_face, "digest_model", slow)
    with pytest.raises(SubjectError, match="changed while the model was loaded"):
        read(folder)


def test_numbers_are_no_texts(folder):
    with pytest.raises(SubjectError, match="takes one text per row"):
        read(folder).outputs(np.zeros((2, 3), dtype=np.float32))


def rewritten(folder, name, **fields):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_code_that_any_configuration_names_is_refused(folder):
    rewritten(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokens", None]})
    with pytest.raises(SubjectError, match=r"tokenizer_config\.json: 'auto_map' names Python code"):
        read(folder)


def test_code_that_an_unread_configuration_names_is_refused(folder):
    (folder / "processor_config.json").write_text('{"auto_map": {"AutoProcessor": "own.Own"}}')
    with pytest.raises(SubjectError, match=r"processor_config\.json: 'auto_map'"):
        read(folder)


def test_classes_are_those_that_the_configuration_names_in_their_order(folder):
    assert read(folder).classes == ()
    changed(folder, id2label={"0": "no", "2": "perhaps", "1": "yes"}, label2id=None)
    assert read(folder).classes == ("no", "yes", "perhaps")
    changed(folder, label2id={"no": 1, "yes": 0, "perhaps": 2})
    with pytest.raises(SubjectError, match="label2id contradicts"):
        read(folder)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"0": "no", "1": "no", "2": "yes"}, "two outputs one name"),
        ({"0": "no", "1": "yes", "3": "perhaps"}, "outputs 0, 1 and so on"),
    ],
)
def test_names_that_are_no_list_of_classes_are_refused(folder, named, said):
    changed(folder, id2label=named, label2id=None)
    with pytest.raises(SubjectError, match=said):
        read(folder)


def test_a_tokenizer_of_which_two_files_disagree_is_refused(folder):
    rewritten(folder, "tokenizer_config.json", do_lower_case=False)
    with pytest.raises(SubjectError, match=r"do_lower_case is False, and tokenizer\.json has True"):
        read(folder)


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="}},
        {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "zz"}},
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        {"truncation": None, "model": {"type": "Unigram", "unk_id": None, "vocab": [["a", 0.0]]}},
    ],
)
def test_a_tokenizer_that_panics_or_fails_is_refused_in_a_sentence(folder, parts):
    rewritten(folder, "tokenizer.json", **parts)
    with pytest.raises(SubjectError, match=r"tokenizer"):
        read(folder).outputs(ROWS)


@pytest.mark.parametrize(("text", "said"), [(None, "is missing"), ("\ud800", "surrogate")])
def test_a_text_that_is_none_is_refused_with_its_row(folder, text, said):
    rows = np.array([["a"], [text]], dtype=object)
    with pytest.raises(SubjectError, match=rf"row 2: the candidate .* {said}"):
        read(folder).outputs(rows)
