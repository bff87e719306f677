"""People with keys, a trust policy that says what they may do, and a verdict that they sign."""

import hashlib
from datetime import timedelta

import yaml
from sealed import NOW, World

from govprune.evidence import dsse
from govprune.evidence.accepted import use_trust_policy
from govprune.evidence.bundle_folder import add_file
from govprune.evidence.consents import Approval, Producer, SignedWaiver, file_of, to_consent
from govprune.evidence.key_files import load_signing_keys, load_trusted_keys
from govprune.evidence.keys import new_keys
from govprune.evidence.standing import what_is_waived
from govprune.evidence.trust_document import compile_trust_policy
from govprune.evidence.verify import verify_bundle
from govprune.evidence.vsa import written
from govprune.policy import Waiver

WAIVED = ("candidate", "baseline", "evaluation", "policy_sha256")
WORST = Waiver(rule="accuracy-holds", slice="all", worst=-0.25)


class People(World):
    """A sealed job, and Anna and Ben (roots), Paul (producer), Vera, Max (approvers), Olga
    (waivers), Rita (registrar)."""

    ROLES = {
        "root": ["anna", "ben"],
        "gate": ["gate"],
        "producer": ["paul"],
        "approver": ["vera", "max", "paul"],
        "waiver-owner": ["olga", "paul"],
    }
    THRESHOLDS = {"root": 2}

    def __init__(self, folder, **document):
        super().__init__(folder)
        self.secrets, self.publics = {}, {"gate": self.public}
        for name in ("anna", "ben", "paul", "vera", "max", "olga", "rita"):
            secret, self.publics[name] = new_keys(folder / "people", owner=name, name=name)
            self.secrets[name] = load_signing_keys(secret)
        self.folder = folder
        self.policy = self.accept(self.sign(1, **document))

    def document(self, version, *, roles=None, thresholds=None, expires=None, **more):
        roles, thresholds = roles or self.ROLES, {**self.THRESHOLDS, **(thresholds or {})}
        return {
            "name": "our-models",
            "version": version,
            "expires": expires or written(NOW + timedelta(days=300)),
            "keys": {n: str(self.publics[n]) for names in roles.values() for n in names}
            | {r["key"]: str(self.publics[r["key"]]) for r in more.get("revoked", ())},
            "roles": {
                role: {"keys": list(names), "threshold": thresholds.get(role, 1)}
                for role, names in roles.items()
            },
            **more,
        }

    def sign(self, version, *, by=("anna", "ben"), name=None, **document):
        """Write a trust policy that these roots signed; return its path."""
        source = self.folder / f"trust-{version}.yaml"
        source.write_text(yaml.safe_dump(self.document(version, **document)))
        payload = compile_trust_policy(source, now=NOW - timedelta(days=1))
        return self.sign_payload(payload, by=by, name=name or f"trust-{version}.json")

    def sign_payload(self, payload, *, by, name):
        envelope = None
        for who in by:
            envelope = dsse.sign_together(payload, self.secrets[who], earlier=envelope)
        path = self.folder / name
        path.write_bytes(envelope)
        return path

    def accept(self, path, *, roots=("anna", "ben"), now=NOW):
        keys = [load_trusted_keys(self.publics[name]) for name in roots]
        return use_trust_policy(path, roots=keys, now=now)

    def follow(self, path, *, now=NOW):
        """Use a later version, as an account that has accepted an earlier one does."""
        self.policy = use_trust_policy(path, now=now)
        return self.policy

    # --- what people sign

    def produced(self, by="paul"):
        """The statement that a run puts into the bundle."""
        candidate = hashlib.sha256(
            (self.root / "models/pruned.safetensors").read_bytes()
        ).hexdigest()
        said = Producer(candidate=candidate, name="pruned.safetensors", time=written(NOW))
        return dsse.sign(to_consent(said), self.secrets[by])

    def sealed(self, result="PASSED", *, out="bundle", by="paul", **given):
        extra = {"producer.dsse.json": self.produced(by)} if by else {}
        return self.seal(result, out=out, extra=extra, **given)

    def names(self, bundle):
        return {
            f"{name}_sha256": hashlib.sha256(
                (bundle / f"{name}.dsse.json").read_bytes()
            ).hexdigest()
            for name in ("evidence", "verdict")
        }

    def approve(self, bundle, by="vera", **changed):
        waivers = [p.read_bytes() for p in bundle.iterdir() if p.name.startswith("waiver-")]
        said = Approval(
            **self.names(bundle),
            waivers=tuple(sorted(hashlib.sha256(data).hexdigest() for data in waivers)),
            because="I looked at all of it.",
            time=written(NOW),
        ).model_copy(update=changed)
        return self.add(bundle, said, by, "approval")

    def waive(self, bundle, by="olga", *, waiver=WORST, **changed):
        found = self.stand(bundle)
        said = SignedWaiver(
            **self.names(bundle),
            **dict(zip(WAIVED, what_is_waived(found.evidence), strict=True)),
            waiver=waiver,
            because="We keep it for one quarter.",
            time=written(NOW),
            expires=written(NOW + timedelta(days=30)),
        ).model_copy(update=changed)
        return self.add(bundle, said, by, "waiver")

    def add(self, bundle, said, by, kind):
        keys = self.keys if by == "gate" else self.secrets[by]
        envelope = dsse.sign(to_consent(said), keys)
        return add_file(bundle, file_of(envelope, kind), envelope)

    def stand(self, bundle, *, now=NOW, policy=None):
        return verify_bundle(
            bundle, trusted=(), root=self.root, now=now, under=policy or self.policy
        )
