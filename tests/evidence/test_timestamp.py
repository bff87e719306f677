"""Timestamps of a real authority: OpenSSL's, with keys of its own, behind a real HTTP server."""

import shutil
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import authorities
import pytest
from authorities import Authority
from sealed import NOW
from trusted_people import People

from govprune.errors import EvidenceError, InputError, PromotionRefused
from govprune.evidence.bundle_folder import add_file
from govprune.evidence.timestamp import request_timestamp, verify_timestamp
from govprune.evidence.vsa import written
from govprune.promotion import promote


@pytest.fixture
def serving():
    """Give a function that serves an authority until the test ends, and returns its address."""
    with ExitStack() as open_until_the_end:
        yield lambda answer: open_until_the_end.enter_context(authorities.serving(answer))


def verify(token, data, authority):
    return verify_timestamp(token, data, authorities=[authority.certificate], source="test")


@pytest.mark.parametrize(
    "kind",
    [{}, {"key": "rsa:3072", "digest": "sha512"}, {"key": "ec", "digest": "sha384"}],
    ids=["rsa", "rsa sha-512", "ecdsa"],
)
def test_an_authoritys_time_is_read_and_openssl_agrees(tmp_path, serving, kind):
    authority = Authority(tmp_path / "tsa", **kind)
    token = request_timestamp(serving(authority.answer), b"a verdict")
    assert abs(verify(token, b"a verdict", authority) - datetime.now(UTC)) < timedelta(minutes=5)
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "data").write_bytes(b"a verdict")
    authority.openssl(
        "ts", "-verify", "-in", tmp_path / "token", "-token_in", "-data", tmp_path / "data",
        "-CAfile", "tsa.pem", "-partial_chain",
    )  # fmt: skip


def test_a_token_over_other_bytes_is_refused(tmp_path, serving):
    authority = Authority(tmp_path / "tsa")
    token = request_timestamp(serving(authority.answer), b"a verdict")
    with pytest.raises(EvidenceError, match="other bytes"):
        verify(token, b"another verdict", authority)


def test_an_authority_that_is_not_named_is_refused(tmp_path, serving):
    authority, other = Authority(tmp_path / "tsa"), Authority(tmp_path / "other")
    token = request_timestamp(serving(authority.answer), b"a verdict")
    with pytest.raises(EvidenceError, match="does not name"):
        verify(token, b"a verdict", other)


def test_a_certificate_of_the_same_name_and_number_does_not_help(tmp_path, serving):
    """The signature decides, not what the token says of its signer."""
    ours = Authority(tmp_path / "tsa")
    (tmp_path / "fake").mkdir()
    theirs = Authority(tmp_path / "fake" / "tsa")
    serial = subprocess.run(
        ["openssl", "x509", "-in", ours.folder / "tsa.pem", "-noout", "-serial"],
        check=True, capture_output=True, text=True,
    ).stdout.strip().removeprefix("serial=")  # fmt: skip
    theirs.openssl(
        "req", "-x509", "-key", "tsa.key", "-days", "30", "-config", theirs.config,
        "-set_serial", f"0x{serial}", "-out", "tsa.pem",
    )  # fmt: skip
    token = request_timestamp(serving(theirs.answer), b"a verdict")
    with pytest.raises(EvidenceError, match=r"another certificate|altered"):
        verify(token, b"a verdict", ours)


def test_a_certificate_for_other_uses_is_refused(tmp_path, serving):
    authority = Authority(tmp_path / "tsa", usage="timeStamping")  # not critical
    with pytest.raises((EvidenceError, subprocess.CalledProcessError, InputError)):
        verify(request_timestamp(serving(authority.answer), b"a"), b"a", authority)


def test_no_byte_of_a_token_can_be_changed_and_mean_another_time(tmp_path, serving):
    authority = Authority(tmp_path / "tsa", key="ec")
    token = request_timestamp(serving(authority.answer), b"a verdict")
    at = verify(token, b"a verdict", authority)
    for place in range(len(token)):
        changed = bytearray(token)
        changed[place] ^= 1
        try:
            said = verify(bytes(changed), b"a verdict", authority)
        except EvidenceError:
            continue
        # Certificates travel beside the signature and are not believed.
        assert said == at
    for other in (token[:-1], token + b"\0", b"", b"\x30\x80" * 20_000):
        with pytest.raises(EvidenceError):
            verify(other, b"a verdict", authority)


ANSWERS = {
    "nothing": b"",
    "a page": b"<html>not found</html>",
    "far too much": b"\x30" * 300_000,
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_is_none_is_said(serving, what):
    with pytest.raises(InputError, match="no timestamp"):
        request_timestamp(serving(lambda _: ANSWERS[what]), b"a")


def test_an_answer_to_another_question_is_refused(tmp_path, serving):
    authority = Authority(tmp_path / "tsa")
    kept = []

    def replay(query):
        kept.append(query)
        return authority.answer(kept[0])

    address = serving(replay)
    request_timestamp(address, b"a")
    with pytest.raises(InputError, match="another question"):
        request_timestamp(address, b"b")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://127.0.0.1:1/"])
def test_an_address_that_leads_nowhere_is_said(url):
    with pytest.raises(InputError, match=r"http or https|cannot be reached"):
        request_timestamp(url, b"a")


# --- under a trust policy


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    return People(tmp_path)


def demanding(people, authority, version=2, **more):
    shutil.copy(authority.folder / "tsa.pem", people.folder / "tsa.pem")
    document = {"timestamp-authorities": ["tsa.pem"], "demands": {"timestamp": True}, **more}
    people.follow(people.sign(version, **document))


def test_a_demanded_timestamp_must_be_there(tmp_path, people, serving):
    authority = Authority(tmp_path / "tsa")
    demanding(people, authority)
    bundle = people.sealed()
    people.approve(bundle)
    given = {"name": "small", "registry": people.registry, "trusted": (), "root": people.root,
             "now": NOW + timedelta(minutes=5), "under": people.policy}  # fmt: skip
    with pytest.raises(PromotionRefused, match="timestamp"):
        promote(bundle, **given)
    verdict = (bundle / "verdict.dsse.json").read_bytes()
    add_file(bundle, "timestamp.tsr", request_timestamp(serving(authority.answer), verdict))
    assert people.stand(bundle).timestamp is not None
    promote(bundle, **given)


def test_the_timestamp_of_another_verdict_is_refused(tmp_path, people, serving):
    authority = Authority(tmp_path / "tsa")
    demanding(people, authority)
    bundle = people.sealed()
    add_file(bundle, "timestamp.tsr", request_timestamp(serving(authority.answer), b"else"))
    with pytest.raises(EvidenceError, match="other bytes"):
        people.stand(bundle)


def test_a_stolen_key_still_counts_for_what_an_authority_saw_before(tmp_path, people, serving):
    """Seen today, stolen tomorrow: good. Stolen yesterday: nothing helps."""
    authority = Authority(tmp_path / "tsa")
    demanding(people, authority)
    bundle = people.sealed()
    verdict = (bundle / "verdict.dsse.json").read_bytes()
    add_file(bundle, "timestamp.tsr", request_timestamp(serving(authority.answer), verdict))

    def stolen(since):
        return {
            "key": "gate",
            "since": written(since),
            "stolen": True,
            "because": "Lost on a train.",
        }

    demanding(people, authority, 3, revoked=[stolen(NOW + timedelta(days=1))])
    assert people.stand(bundle).result == "PASSED"
    demanding(people, authority, 4, revoked=[stolen(NOW - timedelta(days=1))])
    with pytest.raises(EvidenceError, match="was revoked"):
        people.stand(bundle)
