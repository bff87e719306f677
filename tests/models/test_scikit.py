"""scikit-learn estimators: scored by what they answer by, and made of trusted types only."""

import pickle
import zipfile

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from govprune.errors import SubjectError
from govprune.job import ModelFiles
from govprune.models import load

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(150, 4)).astype(np.float32)
Y = np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)]
TWO = (Y == "a").astype(int)


def write(estimator, folder, name="m.skops"):
    dump = skops.io.dump if name.endswith(".skops") else joblib.dump
    dump(estimator, folder / name)
    return name


def read(folder, name="m.skops", **more):
    return load(ModelFiles(weights=name), role="candidate", root=folder, **more)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=20, random_state=0)),
        SVC(),
        KNeighborsClassifier(algorithm="brute"),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_largest_score_is_the_class_it_answers(estimator, tmp_path):
    fitted = estimator.fit(X, Y)
    write(fitted, tmp_path)
    model = read(tmp_path)
    said = model.outputs(X)
    assert model.classes == ("a", "b", "c")
    assert model.unsafe is None
    assert np.array_equal(np.array(model.classes)[said.argmax(1)], fitted.predict(X))
    if hasattr(fitted, "predict_proba"):
        assert np.allclose(np.exp(said), fitted.predict_proba(X))


def test_two_classes_of_a_support_vector_machine_are_one_logit(tmp_path):
    fitted = SVC().fit(X, TWO)
    write(fitted, tmp_path)
    model = read(tmp_path)
    assert model.classes == ("0", "1")
    assert np.allclose(model.outputs(X)[:, 0], fitted.decision_function(X))


def test_a_regressor_says_its_number(tmp_path):
    fitted = LinearRegression().fit(X, X @ [1.0, 2.0, 3.0, 4.0])
    write(fitted, tmp_path)
    model = read(tmp_path)
    assert np.allclose(model.outputs(X)[:, 0], fitted.predict(X))
    assert model.classes == ()
    assert np.allclose(model.tensors["coef_"].numpy(), [1, 2, 3, 4], atol=1e-4)


def test_texts_go_through_a_pipeline_as_they_are(tmp_path):
    texts = ["good film", "fine good film", "bad film", "awful bad film"]
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 1, 0, 0])
    write(fitted, tmp_path)
    rows = np.array(texts, dtype=object)[:, None]
    model = read(tmp_path)
    assert model.kind == "a scikit-learn LogisticRegression"
    assert np.allclose(np.exp(model.outputs(rows)), fitted.predict_proba(texts))


def test_every_fitted_array_is_there_by_its_path(tmp_path):
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    write(fitted, tmp_path)
    tensors = read(tmp_path).tensors
    assert np.array_equal(tensors["steps.1.1.coef_"].numpy(), fitted[1].coef_)
    assert np.array_equal(tensors["steps.0.1.mean_"].numpy(), fitted[0].mean_)


def test_another_answer_than_its_scores_say_is_refused(tmp_path):
    inner = LogisticRegression().fit(X, TWO)
    moved = FixedThresholdClassifier(inner, threshold=0.9, response_method="predict_proba")
    write(moved.fit(X, TWO), tmp_path)
    with pytest.raises(SubjectError, match="otherwise than its predict_proba says"):
        read(tmp_path).outputs(X)


def test_votes_between_pairs_of_classes_are_no_scores_of_classes(tmp_path):
    y = RANDOM.integers(0, 4, len(X))
    write(SVC(decision_function_shape="ovo").fit(X, y), tmp_path)
    with pytest.raises(SubjectError, match="decision_function_shape='ovr'"):
        read(tmp_path).outputs(X)


def leave_a_trace(x):
    print("it ran")
    return x


def test_a_type_that_is_not_trusted_is_named_and_never_made(tmp_path, capsys):
    hostile = make_pipeline(FunctionTransformer(leave_a_trace), LogisticRegression()).fit(X, Y)
    capsys.readouterr()
    write(hostile, tmp_path)
    with pytest.raises(SubjectError, match=r"test_scikit\.leave_a_trace, which skops does not"):
        read(tmp_path)
    assert capsys.readouterr().out == ""


def test_trees_are_for_files_that_one_trusts_and_say_so(tmp_path):
    fitted = RandomForestClassifier(5, random_state=0).fit(X, Y)
    write(fitted, tmp_path)
    with pytest.raises(SubjectError, match=r"sklearn\.tree\._tree\.Tree"):
        read(tmp_path)
    model = read(tmp_path, unsafe=True)
    assert "sklearn.tree._tree.Tree" in model.unsafe
    assert np.allclose(np.exp(model.outputs(X)), fitted.predict_proba(X))
    first = fitted.estimators_[0].tree_
    assert np.array_equal(model.tensors["estimators_.0.tree_.threshold"], first.threshold)


class Bang:
    def __reduce__(self):
        return (print, ("a pickle ran",))


@pytest.mark.parametrize("name", ["m.joblib", "m.pkl", "m.pickle"])
def test_a_pickle_is_loaded_by_name_only(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(pickle.dumps(Bang()))
    with pytest.raises(SubjectError, match=r"a pickle runs code.*--unsafe-load"):
        read(tmp_path, name)
    assert capsys.readouterr().out == ""
    fitted = LogisticRegression().fit(X, Y)
    write(fitted, tmp_path, name)
    model = read(tmp_path, name, unsafe=True)
    assert model.unsafe == "whose loading can run code that it brings"
    assert np.allclose(np.exp(model.outputs(X)), fitted.predict_proba(X))


def test_what_is_loaded_is_what_was_digested(tmp_path, monkeypatch):
    from govprune.models import scikit

    write(LogisticRegression(C=1e-9).fit(X, Y), tmp_path, "other.skops")
    fitted = LogisticRegression().fit(X, Y)
    write(fitted, tmp_path)
    digest = read(tmp_path).weights.sha256
    once = scikit.read_subject

    def swapped(path, **more):
        found = once(path, **more)
        path.write_bytes((tmp_path / "other.skops").read_bytes())
        return found

    monkeypatch.setattr(scikit, "read_subject", swapped)
    model = read(tmp_path)
    assert model.weights.sha256 == digest
    assert np.allclose(np.exp(model.outputs(X)), fitted.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_no_fitted_estimator_is_refused_in_a_sentence(tmp_path):
    for thing, said in (
        ({"a": 1}, "holds a dict, no classifier"),
        (StandardScaler().fit(X), "holds a StandardScaler"),
        (LogisticRegression(), "is not fitted"),
        (MLPClassifier((2,), max_iter=9).fit(X, np.stack([TWO, 1 - TWO], 1)), "labels at once"),
    ):
        write(thing, tmp_path)
        with pytest.raises(SubjectError, match=said):
            read(tmp_path).outputs(X)


def test_broken_files_are_refused_in_a_sentence(tmp_path):
    (tmp_path / "m.skops").write_bytes(b"no archive")
    with pytest.raises(SubjectError, match=r"not a \.skops file"):
        read(tmp_path)
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as parts:
        parts.writestr("schema.json", '{"__class__": "system", "__module__": "os"}')
    with pytest.raises(SubjectError, match=r"not a \.skops file"):
        read(tmp_path)
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as parts:
        parts.writestr("schema.json", "[" * 100_000)
    with pytest.raises(SubjectError, match=r"not a \.skops file"):
        read(tmp_path)


def test_columns_that_do_not_fit_are_counted(tmp_path):
    write(LogisticRegression().fit(X, Y), tmp_path)
    with pytest.raises(SubjectError, match="cannot score 3 columns"):
        read(tmp_path).outputs(X[:, :3])
