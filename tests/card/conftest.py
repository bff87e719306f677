"""Three cards of the income model, and keys to sign them with."""

import pytest
from income_card import HARMED, UNCLEAR, UNHARMED, adult, sha

from govprune.card import make_view
from govprune.evidence.key_files import load_signing_keys, load_trusted_keys
from govprune.evidence.keys import new_keys


@pytest.fixture(scope="session")
def failed():
    return adult(HARMED)


@pytest.fixture(scope="session")
def passed():
    return adult(UNHARMED)


@pytest.fixture(scope="session")
def undecided():
    return adult(UNCLEAR)


@pytest.fixture(scope="session")
def gate_keys(tmp_path_factory):
    """Signing keys and the trusted keys that match them."""
    private, public = new_keys(tmp_path_factory.mktemp("keys"), owner="credit-gate@example.org")
    return load_signing_keys(private), load_trusted_keys(public)


@pytest.fixture
def view_of():
    def make(evidence, **more):
        given = {"evidence_sha256": sha("b"), "signer": "credit-gate@example.org, key 3f9a"}
        return make_view(evidence, **(given | more))

    return make
