"""Keys: private where they must be, of the right kind, and never replaced."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from govprune.errors import SigningKeyError
from govprune.evidence import account, key_files, keys

PEM = serialization.Encoding.PEM


@pytest.fixture
def pair(tmp_path):
    return keys.new_keys(tmp_path / "keys", owner="gate@example.org")


@pytest.fixture(autouse=True)
def own_account(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))


def private_pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(PEM, form, serialization.NoEncryption())


def write_secret(path, data):
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(data)


def test_the_two_halves_belong_together(pair):
    secret, public = (key_files.load_signing_keys(pair[0]), key_files.load_trusted_keys(pair[1]))
    assert secret.key_id == public.key_id
    assert len(secret.key_id) == 64
    assert secret.owner == public.owner == "gate@example.org"
    assert secret.certificate == public.certificate
    assert public.source == str(pair[1])


def test_the_private_half_is_private_from_its_first_moment(pair):
    assert pair[0].stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in pair[1].read_bytes()


def test_the_certificate_is_one_that_pdf_readers_accept(pair):
    certificate = key_files.load_trusted_keys(pair[1]).certificate
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    years = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days / 365.25
    assert 9.99 < years < 10.01
    assert certificate.not_valid_before_utc <= datetime.now(UTC)


def test_two_keys_are_never_one(tmp_path):
    made = [keys.new_keys(tmp_path / n, owner="gate@example.org")[1] for n in "ab"]
    assert len({key_files.load_trusted_keys(path).key_id for path in made}) == 2


@pytest.mark.parametrize("which", [0, 1])
def test_a_key_is_never_replaced(tmp_path, pair, which):
    before = pair[which].read_bytes()
    pair[1 - which].unlink()
    with pytest.raises(SigningKeyError, match="never replaced"):
        keys.new_keys(tmp_path / "keys", owner="somebody else")
    assert pair[which].read_bytes() == before


@pytest.mark.parametrize("name", ["", "../gate", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_key_name_is_no_path(tmp_path, name):
    with pytest.raises(SigningKeyError, match="key name"):
        keys.new_keys(tmp_path, owner="gate", name=name)


@pytest.mark.parametrize("owner", ["", "   ", "x" * 65, "two\nlines", "\x1b[31mred"])
def test_an_owner_can_be_printed_on_one_line(tmp_path, owner):
    with pytest.raises(SigningKeyError, match="owner"):
        keys.new_keys(tmp_path, owner=owner)


# --- what is refused when reading


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_that_others_may_read_is_refused(pair, mode):
    pair[0].chmod(mode)
    with pytest.raises(SigningKeyError, match=f"chmod 600 {pair[0]}"):
        key_files.load_signing_keys(pair[0])


def test_a_public_key_that_everybody_may_write_is_refused(pair):
    pair[1].chmod(0o666)
    with pytest.raises(SigningKeyError, match="chmod o-w"):
        key_files.load_trusted_keys(pair[1])


@pytest.mark.parametrize("which", [0, 1])
def test_a_link_to_a_key_is_refused(pair, tmp_path, which):
    link = tmp_path / "link"
    link.symlink_to(pair[which])
    read = (key_files.load_signing_keys, key_files.load_trusted_keys)[which]
    with pytest.raises(SigningKeyError, match="symbolic link"):
        read(link)


def test_a_key_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SigningKeyError, match=r"gone\.key: no such file"):
        key_files.load_signing_keys(tmp_path / "gone.key")


def test_one_half_is_not_taken_for_the_other(pair):
    pair[1].chmod(0o600)
    with pytest.raises(SigningKeyError, match="not a signing key file"):
        key_files.load_signing_keys(pair[1])
    with pytest.raises(SigningKeyError, match="not a public key file"):
        key_files.load_trusted_keys(pair[0])


def certificate_of(key, *, names=("gate",), signer=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(signer or key, hashes.SHA256())
        .public_bytes(PEM)
    )


def card_key():
    return ec.generate_private_key(ec.SECP256R1())


def ed():
    return private_pem(ed25519.Ed25519PrivateKey.generate())


def wrong_files():
    card, other = card_key(), card_key()
    strong = ec.generate_private_key(ec.SECP384R1())
    weak = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = ed() + private_pem(card) + certificate_of(card)
    encrypted = ed25519.Ed25519PrivateKey.generate().private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    return {
        "empty": b"",
        "no PEM": b"\x00\xff" * 40,
        "text before the keys": b"trust me\n" + good,
        "text after the keys": good + b"trust me\n",
        "one key twice": good + good,
        "no certificate": ed() + private_pem(card),
        "two Ed25519 keys": ed() + ed() + certificate_of(card),
        "RSA": ed() + private_pem(weak) + certificate_of(card),
        "P-384": ed() + private_pem(strong) + certificate_of(strong),
        "the certificate of another key": ed() + private_pem(card) + certificate_of(other),
        "signed by another": ed() + private_pem(card) + certificate_of(card, signer=other),
        "no owner": ed() + private_pem(card) + certificate_of(card, names=()),
        "two owners": ed() + private_pem(card) + certificate_of(card, names=("a", "b")),
        "an owner over two lines": ed() + private_pem(card) + certificate_of(card, names=("a\nb",)),
        "a key under a passphrase": encrypted + private_pem(card) + certificate_of(card),
        "broken base64": good.replace(b"MC4C", b"!!!!"),
        "a broken key": good.replace(b"MC4C", b"MC4D"),
        "too long": good + b"\n" * 70_000,
    }


@pytest.mark.parametrize("wrong", wrong_files().items(), ids=lambda item: item[0])
def test_nothing_but_one_pair_of_keys_is_read(tmp_path, wrong):
    path = tmp_path / "gate.key"
    write_secret(path, wrong[1])
    with pytest.raises(SigningKeyError, match=r"gate\.key"):
        key_files.load_signing_keys(path)


def test_a_public_key_of_another_kind_is_refused(tmp_path):
    card = card_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    path = tmp_path / "gate.pub"
    path.write_bytes(card.public_key().public_bytes(PEM, spki) + certificate_of(card))
    with pytest.raises(SigningKeyError, match="not Ed25519"):
        key_files.load_trusted_keys(path)


# --- whom the account trusts


def test_the_account_trusts_what_was_given_to_it_and_nothing_else(pair, tmp_path):
    with pytest.raises(SigningKeyError, match="no key is trusted"):
        account.trusted(())
    place = account.trust(pair[1])
    assert place.parent == account.account_trust() == tmp_path / "account" / "trusted"
    assert account.trust(pair[1]) == place
    found = account.trusted(())
    assert [k.owner for k in found] == ["gate@example.org"]
    assert found[0].source == str(place)
    place.unlink()
    with pytest.raises(SigningKeyError, match="no key is trusted"):
        account.trusted(())


def test_keys_that_are_named_replace_those_of_the_account(pair, tmp_path):
    account.trust(pair[1])
    _, other = keys.new_keys(tmp_path / "other", owner="other")
    assert [k.owner for k in account.trusted([other])] == ["other"]


def test_one_key_in_two_files_counts_once(pair, tmp_path):
    copy = tmp_path / "copy.pub"
    copy.write_bytes(pair[1].read_bytes())
    assert len(account.trusted([pair[1], copy])) == 1


def test_one_key_with_two_certificates_is_refused(pair, tmp_path):
    _, other = keys.new_keys(tmp_path / "other", owner="somebody else")
    mixed = tmp_path / "mixed.pub"
    begin = b"-----BEGIN CERTIFICATE"
    ours, theirs = (path.read_bytes().split(begin) for path in (pair[1], other))
    mixed.write_bytes(ours[0] + begin + theirs[1])
    with pytest.raises(SigningKeyError, match="two certificates"):
        account.trusted([pair[1], mixed])
    key_id = key_files.load_trusted_keys(mixed).key_id
    place = account.account_trust() / f"somebody-else-{key_id[:12]}.pub"
    place.parent.mkdir(parents=True)
    place.write_bytes(pair[1].read_bytes())
    with pytest.raises(SigningKeyError, match="remove it first"):
        account.trust(mixed)


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"GOVPRUNE_HOME": "/a"}, "/a/trusted"),
        ({"XDG_CONFIG_HOME": "/b"}, "/b/govprune/trusted"),
        ({"HOME": "/c"}, "/c/.config/govprune/trusted"),
    ],
)
def test_where_the_account_keeps_its_trust(monkeypatch, environment, place):
    for name in ("GOVPRUNE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert os.fspath(account.account_trust()) == place


def test_an_encrypted_key_opens_with_its_passphrase_alone(tmp_path, monkeypatch):
    secret, public = keys.new_keys(tmp_path, owner="gate", passphrase=b"seven words")
    assert b"ENCRYPTED PRIVATE KEY" in secret.read_bytes()
    assert b"-----BEGIN PRIVATE KEY" not in secret.read_bytes()
    monkeypatch.delenv("GOVPRUNE_PASSPHRASE", raising=False)
    with pytest.raises(SigningKeyError, match="GOVPRUNE_PASSPHRASE"):
        key_files.load_signing_keys(secret)
    monkeypatch.setenv("GOVPRUNE_PASSPHRASE", "eight words")
    with pytest.raises(SigningKeyError, match="cannot be read"):
        key_files.load_signing_keys(secret)
    monkeypatch.setenv("GOVPRUNE_PASSPHRASE", "seven words")
    opened = key_files.load_signing_keys(secret)
    assert opened.key_id == key_files.load_trusted_keys(public).key_id


def test_a_key_file_is_encrypted_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    locked = keys.new_keys(tmp_path / "a", owner="gate", passphrase=b"x")[0].read_text()
    plain = keys.new_keys(tmp_path / "b", owner="gate")[0].read_text()
    end = "-----END ENCRYPTED PRIVATE KEY-----\n"
    mixed = locked.split(end)[0] + end + plain.split("-----END PRIVATE KEY-----\n", 1)[1]
    path = tmp_path / "mixed.key"
    write_secret(path, mixed.encode())
    monkeypatch.setenv("GOVPRUNE_PASSPHRASE", "x")
    with pytest.raises(SigningKeyError, match="not a signing key file"):
        key_files.load_signing_keys(path)
