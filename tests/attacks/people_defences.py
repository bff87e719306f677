"""Attacks with genuine signatures of the wrong people, and the lines that stop them."""

from attack_rows import Defence, Row

ROLES = "attacks/test_roles.py::"
TRUST = "evidence/test_trust.py::"
TIME = "evidence/test_timestamp.py::"
LINE = "gate/test_people_line.py::"
WAIVER = "policy/test_waivers.py::"
STANDING, CONSENTS = "evidence/standing.py", "evidence/consents.py"
POLICY, ACCEPTED = "evidence/trust.py", "evidence/accepted.py"

PEOPLE = (
    Defence(
        Row.PEOPLE, ROLES + "test_nobody_approves_a_candidate_of_their_own", STANDING,
        "elif by.owner in makers:", "elif False:",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_an_approval_of_other_evidence_is_refused_with_the_bundle",
        STANDING, "or consent.verdict_sha256 != bundle.digests[VERDICT_FILE]", "",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_gates_key_is_no_persons", STANDING,
        "holders = bundle.policy.holders(role)",
        "holders = bundle.policy.holders(role) + bundle.policy.holders('gate')",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_two_approvals_of_one_person_are_one", STANDING,
        "        if len(who) < needed:",
        "        if sum(isinstance(s.consent, kind) and s.idle is None for s in said) < needed:",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_an_expired_waiver_does_not_count_but_what_serves_goes_on",
        CONSENTS, 'return now <= moment(waiver.expires, field="expires")', "return True",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_waiver_that_accepts_less_than_what_was_found_does_not_count",
        "policy/waivers.py",
        "accepted = end.end >= waiver.worst if end.downward else end.end <= waiver.worst",
        "accepted = True",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_waiver_out_of_scope_does_not_count[slice]",
        "policy/waivers.py",
        "return (self.rule, self.slice, self.label) == (asked.rule, asked.slice, asked.label)",
        "return (self.rule, self.label) == (asked.rule, asked.label)",
    ),
    Defence(
        Row.PEOPLE,
        WAIVER + "test_of_a_rule_with_two_bounds_the_side_that_is_broken_must_be_accepted[0.1]",
        "policy/waivers.py", "end.end >= waiver.worst if end.downward else",
        "end.end >= waiver.worst if True else",
    ),
    Defence(
        Row.PEOPLE,
        WAIVER + "test_what_may_lie_outside_on_both_sides_is_not_accepted_by_one_number",
        "policy/waivers.py", "    if len(ends) != 1:", "    if len(ends) == 0:",
    ),
    Defence(
        Row.PEOPLE, WAIVER + "test_what_rests_on_a_control_that_did_not_pass_is_not_accepted",
        "policy/waivers.py", "elif broken := _rests_on(finding, verdict):",
        "elif broken := '':",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_waiver_carried_to_other_data_is_refused[evaluation]", STANDING,
        "            consent.evaluation,\n", "            what_is_waived(bundle.evidence)[2],\n",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_waiver_lasts_a_year_at_most_whoever_wrote_it", CONSENTS,
        "if days > LONGEST:", "if False:",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_an_approval_covers_the_waivers_that_were_there", STANDING,
        "if any(bundle.digests[s.file] not in one.consent.waivers for s in waivers):", "if False:",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_whoever_waives_does_not_approve", STANDING,
        "if one.by.owner in people([s.by for s in waivers]):", "if False:",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_two_owners_must_waive_where_two_are_asked_for", STANDING,
        "and len(owners) < needed", "and False",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_producers_statement_of_another_candidate_is_refused", STANDING,
        "or consent.candidate != candidate:", "or False:",
    ),
    Defence(
        Row.PEOPLE, ROLES + "test_a_waiver_renamed_to_an_approval_is_none",
        "evidence/statement.py", 'or statement["predicateType"] != predicate_type:', "or False:",
    ),
    Defence(
        Row.TRUST, ROLES + "test_a_retired_key_counts_before_its_day_and_not_after", POLICY,
        "if at is None or at >= since:", "if at is None:",
    ),
    Defence(
        Row.TRUST, ROLES + "test_a_stolen_key_says_nothing_that_no_authority_has_seen", POLICY,
        "at = shown if revoked.stolen else said", "at = said",
    ),
    Defence(
        Row.TRUST, ROLES + "test_a_revoked_approver_does_not_count", STANDING,
        "idle = _revoked(by, consent, bundle.policy)\n    if isinstance",
        "idle = None\n    if isinstance",
    ),
    Defence(
        Row.TRUST, ROLES + "test_a_stolen_root_signs_nothing_more", POLICY,
        "if revoked.key in self.roles.root.keys:", "if False:",
    ),
    Defence(
        Row.TRUST, ROLES + "test_a_policy_in_which_somebody_answers_to_himself_is_refused"
        "[a gate that approves]", POLICY, "        self._refuse_people()\n", "",
    ),
    Defence(
        Row.TRUST, TRUST + "test_one_root_of_two_is_not_enough", ACCEPTED,
        '    if len(who) < policy.threshold("root"):', "    if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_a_root_that_was_told_must_have_signed", ACCEPTED,
        "if key.key_id not in policy.roles.root.keys or key.key_id not in signed:", "if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_an_older_version_is_a_rollback", ACCEPTED,
        "if policy.version < known.version:", "if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_the_same_version_with_other_content_is_refused", ACCEPTED,
        "        if policy != known:", "        if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_new_roots_need_the_old_ones", ACCEPTED,
        '    if len(who) < known.threshold("root"):', "    if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_an_expired_policy_says_nothing", ACCEPTED,
        'if now >= moment(policy.expires, field="expires"):', "if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_nobody_is_trusted_at_first_sight", ACCEPTED,
        "if before is None and not roots:", "if False:",
    ),
    Defence(
        Row.TRUST, TRUST + "test_a_changed_byte_is_found", "evidence/dsse.py",
        "by_id[key_id].gate.verify(signature, pae(TRUST_TYPE, payload))", "pass",
    ),
    Defence(
        Row.TRUST, TIME + "test_the_timestamp_of_another_verdict_is_refused",
        "evidence/timestamp.py",
        'or imprint["hashed_message"].native != hashlib.sha256(data).digest()', "",
    ),
    Defence(
        Row.TRUST, TIME + "test_an_authority_that_is_not_named_is_refused",
        "evidence/timestamp.py", "        if same:\n            return info, certificate",
        "        if True:\n            return info, certificate",
    ),
    Defence(
        Row.PLAN, LINE + "test_bounds_that_were_changed_after_a_verdict_are_signed_by_nobody",
        "gate/planned.py", "    _refuse_late(entry, log)\n", "",
    ),
    Defence(
        Row.PLAN, LINE + "test_a_plan_that_got_into_the_log_after_other_bounds_promotes_nothing",
        "promotion/refusals.py", "    _refuse_late_plan(found, state, log)\n", "",
    ),
    Defence(
        Row.PLAN, LINE + "test_a_plan_is_of_one_policy_one_baseline_and_one_table",
        "gate/planned.py", "    if differs is not None:\n", "    if False:\n",
    ),
    Defence(
        Row.PLAN, LINE + "test_a_demanded_plan_is_promoted_with_the_log_only",
        "promotion/line.py", "elif under is not None and under.demands.plan:", "elif False:",
    ),
    Defence(
        Row.SERVED, ROLES + "test_only_a_registrar_moves_an_alias", "promotion/moves.py",
        "if keys is None or keys.key_id not in holders:", "if keys is None:",
    ),
    Defence(
        Row.SERVED, ROLES + "test_a_move_that_nobody_signed_is_refused", "promotion/moves.py",
        "    if moved.signed is None:\n        raise",
        "    if moved.signed is None:\n        return\n        raise",
    ),
    Defence(
        Row.SERVED, ROLES + "test_a_signed_move_cannot_be_played_again_at_another_place",
        "promotion/moves.py", "if expected != payload or said.position != moved.position:",
        "if False:",
    ),
    Defence(
        Row.SERVED, ROLES + "test_what_serves_without_the_demanded_approval_is_named",
        "promotion/served.py", "if found.standing is not None and found.standing.lacks:",
        "if False:",
    ),
    Defence(
        Row.SERVED, ROLES + "test_a_model_that_was_promoted_before_is_no_baseline_to_fall_back_to",
        "promotion/line.py",
        'if any(m.move.kind == "promote" and m.move.candidate == baseline for m in history):',
        "if False:",
    ),
    Defence(
        Row.SERVED, LINE + "test_a_bare_key_does_not_step_over_the_accepted_policy",
        "cli/trusting.py", "if moving and accepted(now) is not None:", "if False:",
    ),
)  # fmt: skip
