"""Promotion and rollback: what moves an alias, and what is served afterwards."""

from datetime import timedelta

import pytest
from sealed import COUNTS, NOW, World

from govprune.errors import EvidenceError, InputError, PromotionRefused
from govprune.promotion import promote, rollback, verify_served
from govprune.registries.local import LocalRegistry, parse_target

MODEL = "models/pruned.safetensors"


class Shop(World):
    """A world with short words for what these tests do."""

    def promote(self, bundle, *, name="small", now=NOW, **given):
        return promote(
            bundle,
            name=name,
            registry=self.registry,
            trusted=self.trusted,
            root=self.root,
            now=now,
            **given,
        )

    def release(self, model, **given):
        """Seal and promote a candidate with these bytes."""
        self.write(MODEL, model)
        return self.promote(self.seal(out=f"bundle-{model.decode()}", **given))

    def rollback(self, *, now=NOW):
        return rollback("small", registry=self.registry, trusted=self.trusted, now=now)

    def served(self, *, now=NOW):
        found = verify_served(
            self.registry, name="small", alias="champion", trusted=self.trusted, now=now
        )
        return found.files[0][1].read_bytes()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def test_a_pass_is_copied_and_served(shop):
    moved = shop.promote(shop.seal())
    assert moved.position == 1
    assert shop.served() == b"the model that would replace it"
    (shop.root / MODEL).unlink()
    assert shop.served() == b"the model that would replace it"


def test_what_is_stored_cannot_be_written_by_accident(shop):
    shop.promote(shop.seal())
    for path in (shop.registry / "sha256").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o777 == 0o444


def test_a_failure_is_refused_and_the_worst_finding_named(shop):
    with pytest.raises(PromotionRefused, match=r"FAILED: accuracy-holds \(all\): fail") as refused:
        shop.promote(shop.seal("FAILED"))
    assert refused.value.exit_code == 1
    assert not shop.registry.exists()


def test_undecided_is_refused_with_its_own_code(shop):
    with pytest.raises(PromotionRefused, match="UNDECIDED: accuracy-holds") as refused:
        shop.promote(shop.seal("UNDECIDED"))
    assert refused.value.exit_code == 3


def test_a_pass_ends_with_its_last_day(shop):
    bundle = shop.seal()
    last = NOW - timedelta(hours=1) + timedelta(days=30)
    with pytest.raises(PromotionRefused, match="expired on"):
        shop.promote(bundle, now=last + timedelta(seconds=1))
    shop.promote(bundle, now=last)


def test_the_candidate_must_be_here(shop):
    bundle = shop.seal()
    (shop.root / MODEL).unlink()
    with pytest.raises(InputError, match="--files"):
        shop.promote(bundle)


def test_the_first_promotion_pins_the_policy(shop):
    shop.release(b"first")
    shop.set_policy("-0.30")
    shop.write(MODEL, b"second")
    lenient = shop.seal(out="lenient")
    with pytest.raises(PromotionRefused, match="If the change of policy is meant"):
        shop.promote(lenient)
    assert shop.served() == b"first"
    digest = shop.verify(lenient).summary.policy_sha256
    with pytest.raises(PromotionRefused, match="not under"):
        shop.promote(lenient, policy_sha256="0" * 64)
    shop.promote(lenient, policy_sha256=digest)
    assert LocalRegistry(shop.registry).pin("small").policy_sha256 == digest
    assert shop.served() == b"second"


def test_another_name_has_a_policy_of_its_own(shop):
    shop.release(b"first")
    shop.set_policy("-0.30")
    shop.promote(shop.seal(out="lenient"), name="another")


def test_aliases_move_apart(shop):
    shop.release(b"first")
    shop.write(MODEL, b"second")
    shop.promote(shop.seal(out="second"), alias="challenger")
    assert shop.served() == b"first"


# --- going back


def test_rolling_back_twice_goes_back_twice(shop):
    for model in (b"first", b"second", b"third"):
        shop.release(model)
    back = shop.rollback()
    assert (back.position, back.origin) == (4, 2)
    assert shop.served() == b"second"
    shop.rollback()
    assert shop.served() == b"first"
    assert (shop.rollback().origin, shop.served()) == (0, b"the model that serves today")
    with pytest.raises(PromotionRefused, match="the baseline is served already"):
        shop.rollback()


def test_what_was_rolled_back_from_stays_withdrawn(shop):
    for model in (b"first", b"second"):
        shop.release(model)
    shop.rollback()
    shop.release(b"third")
    assert shop.served() == b"third"
    shop.rollback()
    assert shop.served() == b"first"


def test_history_forgets_nothing(shop):
    for model in (b"first", b"second"):
        shop.release(model)
    shop.rollback()
    history = LocalRegistry(shop.registry).history("small", "champion")
    assert [(m.position, m.move.kind, m.move.restores) for m in history] == [
        (1, "promote", None),
        (2, "promote", None),
        (3, "rollback", 1),
    ]


def test_an_expired_verdict_is_not_gone_back_to(shop):
    shop.release(b"first", at=NOW - timedelta(days=20))
    shop.release(b"second")
    later = NOW + timedelta(days=15)
    assert shop.rollback(now=later).origin == 0
    assert shop.served(now=later) == b"the model that serves today"


def test_a_model_that_todays_policy_would_fail_is_not_gone_back_to(shop, monkeypatch):
    """Promoted at a margin of 5 points; today's policy wants 0.2."""
    shop.release(b"first")
    shop.set_policy("-0.002")
    shop.write(MODEL, b"second")
    better = COUNTS["PASSED"].model_copy(update={"candidate_only": 60, "neither": 58})
    monkeypatch.setitem(COUNTS, "PASSED", better)
    strict = shop.seal(out="strict")
    shop.promote(strict, policy_sha256=shop.verify(strict).summary.policy_sha256)
    assert shop.rollback().origin == 0
    assert shop.served() == b"the model that serves today"


def test_a_model_altered_in_the_registry_is_not_gone_back_to(shop):
    first = shop.release(b"first")
    shop.release(b"second")
    shop.release(b"third")
    store = LocalRegistry(shop.registry).store
    (place,) = [
        p
        for p in (shop.registry / "sha256").rglob("*")
        if p.is_file() and p.read_bytes() == b"second"
    ]
    place.chmod(0o644)
    place.write_bytes(b"backdoor")
    assert shop.rollback().origin == first.position
    assert store.place(first.move.candidate).read_bytes() == b"first"


def test_nothing_to_go_back_to(shop):
    with pytest.raises(InputError, match="nothing was ever promoted"):
        shop.rollback()
    bundle = shop.seal()
    (shop.root / "models/dense.safetensors").rename(shop.folder / "elsewhere")
    shop.promote(bundle)
    with pytest.raises(PromotionRefused, match="its baseline is not stored"):
        shop.rollback()
    assert shop.served() == b"the model that would replace it"


def test_before_the_first_promotion_there_was_the_baseline(shop):
    shop.release(b"first")
    back = shop.rollback()
    assert (back.move.kind, back.origin, shop.served()) == (
        "restore-baseline",
        0,
        b"the model that serves today",
    )
    shop.release(b"second")
    assert shop.served() == b"second"
    assert (shop.rollback().origin, shop.served()) == (0, b"the model that serves today")


def test_a_baseline_altered_in_the_registry_is_not_gone_back_to(shop):
    shop.release(b"first")
    (place,) = [
        p
        for p in (shop.registry / "sha256").rglob("*")
        if p.is_file() and p.read_bytes() == b"the model that serves today"
    ]
    place.chmod(0o644)
    place.write_bytes(b"backdoor")
    with pytest.raises(PromotionRefused, match="its baseline is not stored"):
        shop.rollback()
    assert shop.served() == b"first"


# --- two at once


def test_an_alias_that_moved_meanwhile_is_not_moved_over(shop):
    first = shop.release(b"first")
    registry = LocalRegistry(shop.registry)
    second = shop.release(b"second")
    with pytest.raises(PromotionRefused, match="somebody else"):
        registry.move(second.move, after=first)
    with pytest.raises(PromotionRefused, match="somebody else"):
        registry.move(second.move, after=None)
    assert len(registry.history("small", "champion")) == 2


# --- names


@pytest.mark.parametrize(
    ("text", "parts"),
    [("small", ("small", "champion")), ("small@v1.2", ("small", "v1.2"))],
)
def test_a_target_is_a_name_and_an_alias(text, parts):
    assert parse_target(text) == parts


@pytest.mark.parametrize(
    "text", ["", "@", "a@", "@a", "A", "a@b@c", "../a", "a/b", "a b", "a" * 81]
)
def test_a_target_is_no_path(text):
    with pytest.raises(InputError, match="NAME@ALIAS"):
        parse_target(text)


def test_a_registry_that_is_not_there_serves_nothing(shop):
    with pytest.raises(InputError, match="nothing was ever promoted"):
        shop.served()
    assert not shop.registry.exists()


def test_a_served_model_must_be_vouched_for_by_somebody_trusted(shop, tmp_path):
    shop.release(b"first")
    stranger = World(tmp_path / "stranger")
    with pytest.raises(EvidenceError, match="not trusted"):
        verify_served(
            shop.registry, name="small", alias="champion", trusted=stranger.trusted, now=NOW
        )


def test_a_step_on_top_of_a_refused_model_is_refused(shop):
    """Pruned and refused, then rounded: measured against the refused model, nothing is lost."""
    refused = shop.seal("FAILED", out="refused")
    (shop.root / "models/dense.safetensors").write_bytes((shop.root / MODEL).read_bytes())
    shop.write(MODEL, b"the refused model, rounded")
    rounded = shop.seal(out="rounded")

    with pytest.raises(PromotionRefused, match="the baseline of this candidate was itself judged"):
        shop.promote(rounded, log=shop.log.path)
    assert refused.is_dir()
