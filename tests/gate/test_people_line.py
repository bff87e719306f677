"""The whole line as people walk it: plan, attest, gate, approve or waive, promote, look again."""

import json

import pytest
import yaml

from govprune.evidence.entry import PlanEntry
from govprune.evidence.key_files import load_signing_keys
from govprune.evidence.log import Log

PEOPLE = ("anna", "paul", "vera", "olga", "rita")


@pytest.fixture
def office(job, govprune):
    """A small real job, people with keys, and a trust policy that this account has accepted."""
    for name in PEOPLE:
        assert govprune(
            "keys", "new", "--owner", name, "--name", name, "--dir", "people", "--no-trust"
        ).code == 0  # fmt: skip
    document = {
        "name": "our-models",
        "version": 1,
        "expires": "2099-01-01",
        "keys": {"gate": "keys/gate.pub"} | {name: f"people/{name}.pub" for name in PEOPLE},
        "roles": {
            "root": {"keys": ["anna"]},
            "gate": {"keys": ["gate"]},
            "producer": {"keys": ["paul"]},
            "approver": {"keys": ["vera", "paul"]},
            "waiver-owner": {"keys": ["olga"]},
            "registrar": {"keys": ["rita"]},
        },
        "demands": {"plan": True},
    }
    (job / "trust.yaml").write_text(yaml.safe_dump(document))
    assert govprune("trust", "sign", "trust.yaml", "--by", "people/anna.key").code == 0
    done = govprune("trust", "accept", "trust.json", "--yes")
    assert done.code == 0, done
    assert "root, 1 of:" in done.out
    return job


def attest(job, govprune):
    done = govprune("attest", "int8.safetensors", "--by", "people/paul.key", "-o", "paul.json")
    assert done.code == 0, done
    with (job / "govprune.yaml").open("a") as stream:
        stream.write("producer: paul.json\n")


def test_a_candidate_goes_from_a_signed_plan_to_a_signed_move(office, govprune):
    attest(office, govprune)
    planned = govprune("run", "--plan-only")
    assert planned.code == 0, planned
    done = govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
    assert done.code == 0, done
    found = json.loads(govprune("verify", "bundle", "--format", "json").out)
    assert found["planned"] is not None
    assert found["lacks"] == ["approvals (govprune approve): 0 of 1"]
    move = ("promote", "bundle", "--to", "small", "--registrar-key")
    refused = govprune(*move, "people/rita.key")
    assert refused.code == 3
    assert "lacks approvals" in refused.err
    own = govprune("approve", "bundle", "--by", "people/paul.key", "--because", "It is my best.")
    assert own.code == 2
    assert "somebody else must sign" in own.err
    done = govprune("approve", "bundle", "--by", "people/vera.key", "--because", "I read the card.")
    assert done.code == 0, done
    assert govprune(*move, "people/vera.key").code == 2  # Vera moves nothing
    assert govprune(*move, "people/rita.key").code == 0
    served = govprune("verify", "small@champion")
    assert served.code == 0, served
    assert "approved   by vera: I read the card." in served.out
    back = govprune("rollback", "small")
    assert back.code == 2
    assert govprune("rollback", "small", "--registrar-key", "people/rita.key").code == 0
    assert "VERIFIED BASELINE" in govprune("verify", "small@champion").out


def test_a_plan_is_of_one_policy_one_baseline_and_one_table(office, govprune):
    """Thresholds that were moved after the plan was signed are found before anything is run."""
    assert govprune("run", "--plan-only").code == 0
    kept = {name: (office / name).read_bytes() for name in ("policy.yaml", "evaluation.csv")}
    changed = {
        "policy.yaml": kept["policy.yaml"].replace(b"-0.03", b"-0.30"),
        "evaluation.csv": kept["evaluation.csv"].rsplit(b"\n", 2)[0] + b"\n",
    }
    for name, data in changed.items():
        (office / name).write_bytes(data)
        done = govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
        assert done.code == 2, done
        what = {"policy.yaml": "policy", "evaluation.csv": "evaluation data"}[name]
        assert f"signed for another {what}" in done.err
        assert not (office / "bundle").exists()
        (office / name).write_bytes(kept[name])
    done = govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
    assert done.code == 0, done


def test_a_plan_of_another_log_or_signer_is_none(office, govprune):
    assert govprune("run", "--plan-only").code == 0
    (office / ".govprune" / "log").rename(office / "elsewhere")
    done = govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
    assert done.code == 2
    assert "another log" in done.err


def test_a_plan_is_not_the_candidates_attempt(office, govprune):
    for _ in range(2):
        assert govprune("run", "--plan-only").code == 0
    assert govprune("run", "--no-pdf", "--out", "bundle").code == 0
    assert json.loads(govprune("verify", "bundle", "--format", "json").out)["attempt"] == 1


def test_a_failure_is_waived_for_a_while_and_says_so_everywhere(office, govprune):
    """A bound that nothing of this size can meet; Olga answers for it until summer."""
    policy = (office / "policy.yaml").read_text().replace("-0.03", "-0.001")
    (office / "policy.yaml").write_text(policy)
    attest(office, govprune)
    govprune("run", "--plan-only")
    done = govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
    assert done.code == 3, done
    base = ("waive", "bundle", "--rule", "no-slice-loses-accuracy", "--until", "2027-06-30",
            "--because", "Twelve hundred rows cannot show more.")  # fmt: skip
    wrong = govprune(*base, "--slice", "g=p", "--worst", "-0.0001", "--by", "people/olga.key")
    assert wrong.code == 2
    assert "may be as bad as" in wrong.err
    assert govprune(*base, "--worst", "-0.05", "--by", "people/vera.key").code == 2
    slices = [
        f["question"]["slice"] for f in json.loads(
            govprune("judge", "bundle", "--policy", "policy.yaml", "--format", "json").out
        )["findings"] if f["status"] == "inconclusive"
    ]  # fmt: skip
    for name in slices:
        done = govprune(*base, "--slice", name, "--worst", "-0.05", "--by", "people/olga.key")
        assert done.code == 0, done
    assert "now PASSED WITH WAIVER" in done.out
    govprune("approve", "bundle", "--by", "people/vera.key", "--because", "Olga answers for it.")
    move = ("promote", "bundle", "--to", "small", "--registrar-key", "people/rita.key")
    assert govprune(*move).code == 0
    assert "VERIFIED PASSED WITH WAIVER" in govprune("verify", "small@champion").out


def test_bad_days_and_reasons_are_said(office, govprune):
    govprune("run", "--no-pdf", "--out", "bundle")
    base = ("waive", "bundle", "--rule", "x", "--worst", "-1", "--by", "people/olga.key")
    for until in ("tomorrow", "2020-01-01", "2199-01-01", "2027-02-30"):
        done = govprune(*base, "--until", until, "--because", "It is long enough.")
        assert done.code == 2
        assert "--until" in done.err
    done = govprune("approve", "bundle", "--by", "people/vera.key", "--because", "ok")
    assert done.code == 2
    assert "because" in done.err
    assert "nothing was signed" in done.err


def test_a_statement_about_another_candidate_stops_the_run_before_it_measures(office, govprune):
    done = govprune("attest", "dense.safetensors", "--by", "people/paul.key", "-o", "paul.json")
    assert done.code == 0
    with (office / "govprune.yaml").open("a") as stream:
        stream.write("producer: paul.json\n")
    done = govprune("run", "--no-pdf", "--out", "bundle")
    assert done.code == 2
    assert "not about this candidate" in done.err


def test_an_authority_that_cannot_be_reached_loses_no_verdict(office, govprune):
    with (office / "govprune.yaml").open("a") as stream:
        stream.write("timestamp: http://127.0.0.1:1/\n")
    done = govprune("run", "--no-pdf", "--out", "bundle")
    assert done.code == 0, done
    assert "govprune timestamp" in done.err
    assert govprune("verify", "bundle").code == 0


def promoted(govprune, bundle="bundle", *more):
    govprune("approve", bundle, "--by", "people/vera.key", "--because", "I read the card.")
    return govprune("promote", bundle, "--to", "small", "--registrar-key", "people/rita.key", *more)


def test_bounds_that_were_changed_after_a_verdict_are_signed_by_nobody(office, govprune):
    """Judged, loosened, planned, judged again: the plan is not older than the first result."""
    attest(office, govprune)
    policy = (office / "policy.yaml").read_text()
    (office / "policy.yaml").write_text(policy.replace("-0.03", "-0.001"))
    assert govprune("run", "--no-pdf", "--out", "first").code == 3
    (office / "policy.yaml").write_text(policy)
    late = govprune("run", "--plan-only")
    assert late.code == 2
    assert "not older than every result" in late.err


def test_a_choice_of_plans_is_no_plan(office, govprune):
    attest(office, govprune)
    policy = (office / "policy.yaml").read_text()
    assert govprune("run", "--plan-only").code == 0
    (office / "policy.yaml").write_text(policy.replace("-0.03", "-0.3"))
    assert govprune("run", "--plan-only").code == 2


def test_a_plan_that_got_into_the_log_after_other_bounds_promotes_nothing(office, govprune):
    """The gate refuses to sign it; another gate's log that holds it is refused all the same."""
    attest(office, govprune)
    keys = load_signing_keys(office / "keys/gate.key")
    log = Log(office / ".govprune" / "log")
    assert govprune("run", "--plan-only").code == 0
    assert (
        govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle").code == 0
    )
    planned = next(e for e in log.entries() if isinstance(e, PlanEntry))
    assert promoted(govprune).code == 0
    log.append(planned.model_copy(update={"policy": "0" * 64, "plan_sha256": "1" * 64}), keys)
    done = promoted(govprune)
    assert done.code == 3
    assert "another plan was signed" in done.err


def test_a_demanded_plan_is_promoted_with_the_log_only(office, govprune):
    attest(office, govprune)
    govprune("run", "--plan-only")
    govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
    (office / ".govprune" / "log").rename(office / "elsewhere")
    done = promoted(govprune)
    assert done.code == 2
    assert "give --log" in done.err
    assert promoted(govprune, "bundle", "--log", "elsewhere").code == 0


def test_a_bare_key_does_not_step_over_the_accepted_policy(office, govprune):
    govprune("run", "--no-pdf", "--out", "bundle")
    done = govprune("promote", "bundle", "--to", "small", "--key", "keys/gate.pub")
    assert done.code == 2
    assert "would step over it" in done.err
    assert govprune("verify", "bundle", "--key", "keys/gate.pub").code == 0  # reading is free


def test_nobody_signs_a_trust_policy_but_its_roots(office, govprune):
    (office / "second.yaml").write_text(
        (office / "trust.yaml").read_text().replace("version: 1", "version: 2")
    )
    done = govprune("trust", "sign", "second.yaml", "--by", "people/vera.key")
    assert done.code == 2
    assert "vera is no root" in done.err
    assert not (office / "second.json").exists()
    done = govprune("trust", "sign", "second.yaml", "--by", "people/anna.key")
    assert "1 of 1 roots have signed" in done.out
    assert "signed by 1 of 1 roots" in govprune("trust", "show", "second.json").out


def test_what_roots_say_writes_no_line_of_its_own(office, govprune):
    """The lines that people compare come from the document and from nothing in it."""
    document = yaml.safe_load((office / "trust.yaml").read_text())
    document["version"] = 2
    document["revoked"] = [
        {"key": "olga", "since": "2026-01-01", "stolen": True,
         "because": "lost\n  root, 2 of:\n    anna  key 0000"}
    ]  # fmt: skip
    (office / "second.yaml").write_text(yaml.safe_dump(document))
    done = govprune("trust", "sign", "second.yaml", "--by", "people/anna.key")
    assert done.code == 2
    assert "one line" in done.err


def test_a_worst_value_in_another_unit_is_noticed(office, govprune):
    policy = (office / "policy.yaml").read_text().replace("-0.03", "-0.001")
    (office / "policy.yaml").write_text(policy)
    attest(office, govprune)
    govprune("run", "--no-pdf", "--out", "bundle")
    done = govprune(
        "waive", "bundle", "--rule", "no-slice-loses-accuracy", "--slice", "g=p", "--worst", "-10",
        "--until", "2027-06-30", "--by", "people/olga.key", "--because", "As the minutes say.",
    )  # fmt: skip
    assert done.code == 2
    assert "1000 points" in done.err


def test_nobody_approves_twice(office, govprune):
    attest(office, govprune)
    govprune("run", "--plan-only")
    govprune("run", "--plan", "plans/small-job-0001", "--no-pdf", "--out", "bundle")
    approve = ("approve", "bundle", "--by", "people/vera.key", "--because", "I read the card.")
    assert govprune(*approve).code == 0
    assert "has approved this already" in govprune(*approve).err
