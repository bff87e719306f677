"""The store: content by digest, in and out, and nothing half-written."""

import hashlib

import pytest

from govprune.errors import EvidenceError
from govprune.registries.store import Store
from govprune.subjects import describe


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "registry")


def test_what_goes_in_comes_out_by_its_digest(store):
    digest = store.put_bytes(b"content")
    assert digest == hashlib.sha256(b"content").hexdigest()
    assert store.read(digest) == b"content"
    assert store.place(digest).parent.name == digest[:2]


def test_the_same_content_twice_lies_there_once(store):
    digest = store.put_bytes(b"content")
    assert store.put_bytes(b"content") == digest
    assert [p.name for p in (store.path / "sha256").rglob("*") if p.is_file()] == [digest]


def test_altered_content_is_not_handed_out(store):
    digest = store.put_bytes(b"content")
    store.place(digest).chmod(0o644)
    store.place(digest).write_bytes(b"CONTENT")
    with pytest.raises(EvidenceError, match="altered in the registry"):
        store.read(digest)


def test_content_that_is_not_there_is_no_content(store):
    with pytest.raises(EvidenceError, match="no such file"):
        store.read("0" * 64)


def test_more_than_may_be_read_is_refused(store):
    digest = store.put_bytes(b"content")
    with pytest.raises(EvidenceError, match="altered"):
        store.read(digest, limit=6)


def test_a_file_is_copied_only_as_what_it_was_said_to_be(store, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"model")
    subject = describe(path, role="candidate", root=tmp_path)
    assert store.put_file(path, subject).read_bytes() == b"model"
    assert store.check(subject) == store.place(subject.sha256)
    for exchanged in (b"MODEL", b"model and more", b"mode", b""):
        path.write_bytes(exchanged)
        with pytest.raises(EvidenceError, match="it was exchanged"):
            store.put_file(path, subject)
    path.unlink()
    with pytest.raises(EvidenceError, match=r"candidate: .*no such file"):
        store.put_file(path, subject)
    assert [p.name for p in (store.path / "sha256").rglob("*") if p.is_file()] == [subject.sha256]
