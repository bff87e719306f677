"""The table of attacks: what is attacked, the rule, the test, and the line that it fails without.

`line` is the code as it stands in the module, once; `without` is what stands there when the
defence is taken away. `test_every_defence_is_needed.py` takes away each and demands a failure.
"""

from attack_rows import RULES, Defence, Row
from people_defences import PEOPLE

A, E = "attacks/test_", "evidence/test_"
BUNDLES = A + "altered_bundles.py::test_no_altered_bundle_verifies"
SWAPPED = A + "altered_bundles.py::test_a_file_exchanged_after_the_gate_is_found"
LIES = A + "altered_bundles.py::test_even_the_gates_own_signature_cannot_make_it_true"
REPLAYED = A + "promotion_attacks.py::"
YAMLS = A + "hostile_yaml.py::test_it_is_refused_in_a_sentence_and_soon"
PICKLES = A + "pickles.py::test_no_gadget_runs_in_any_file_of_any_name"

DEFENCES = (
    *PEOPLE,
    Defence(
        Row.ANOTHER_MODEL, SWAPPED + "[the candidate, same length]", "evidence/on_disk.py",
        'hashlib.file_digest(stream, "sha256").hexdigest() == subject.sha256', "True",
    ),
    Defence(
        Row.ANOTHER_MODEL, SWAPPED + "[the candidate behind a link]", "subjects.py",
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NONBLOCK",
    ),
    Defence(
        Row.ANOTHER_MODEL,
        REPLAYED + "test_a_model_exchanged_between_hash_and_copy_is_not_promoted"
        "[put one of the same length]",
        "registries/store.py", "if _copy(stream, partial, size) != sha256:",
        "_copy(stream, partial, size)\n            if False:",
    ),
    Defence(
        Row.EXTRA_FILE, BUNDLES + "[a hidden file added]", "evidence/bundle_folder.py",
        "if name not in _CAPS and not LATER_FILE.fullmatch(name):", "if False:",
    ),
    Defence(
        Row.EXTRA_FILE, A + "hostile_archives.py::test_a_file_planted_in_a_folder_is_found",
        "evidence/on_disk.py",
        "if found.digest == subject.sha256:", "if True:",
    ),
    Defence(
        Row.REPLAY, REPLAYED + "test_a_pass_from_before_a_failure_is_not_replayed",
        "promotion/refusals.py", 'if entry.result == "FAILED" or entry.policy == policy:',
        "if False:",
    ),
    Defence(
        Row.REPLAY, "registries/test_promotion.py::test_a_pass_ends_with_its_last_day",
        "promotion/refusals.py", "if now > found.summary.expires_at:", "if False:",
    ),
    Defence(
        Row.REPLAY, REPLAYED + "test_a_log_set_back_to_before_the_failure_is_found",
        "promotion/refusals.py", "remembered=notes", "remembered=[]",
    ),
    Defence(
        Row.DOWNGRADE, BUNDLES + "[algorithm none]", "evidence/dsse.py",
        ' or set(content) != {"payload", "payloadType", "signatures"}:', ":",
    ),
    Defence(
        Row.DOWNGRADE, E + "vectors_ecdsa.py::test_no_other_algorithm_can_be_named",
        "evidence/pdf.py", 'if algorithms != ("sha256", "sha256_ecdsa"):', "if False:",
    ),
    Defence(
        Row.DOWNGRADE, LIES + "[an older schema]", "evidence/statement.py",
        "schema_version: Literal[1] = 1", "schema_version: int = 1",
    ),
    Defence(
        Row.DOWNGRADE, LIES + "[fewer questions than the policy asks]", "evidence/statement.py",
        "if plan != evidence.plan:", "if False:",
    ),
    Defence(
        Row.COUNTED_TWICE, BUNDLES + "[one signature twice]", "evidence/dsse.py",
        "if len(signatures) != 1:", "if False:",
    ),
    Defence(
        Row.PAYLOAD, BUNDLES + "[the payload]", "evidence/dsse.py",
        "signer.gate.verify(signature, pae(PAYLOAD_TYPE, payload))", "pass",
    ),
    Defence(
        Row.PAYLOAD, BUNDLES + "[a payload beside the payload]", "records.py",
        "if len(keys) != len(set(keys)):", "if False:",
    ),
    Defence(
        Row.PAYLOAD, YAMLS + "[a key twice]", "strict_yaml.py", "if key in result:", "if False:"
    ),
    Defence(
        Row.PAYLOAD, LIES + "[a field nobody knows]", "records.py",
        'extra="forbid"', 'extra="ignore"',
    ),
    Defence(
        Row.PDF, A + "pdf.py::test_bytes_after_the_end_are_refused", "evidence/pdf.py",
        " or second + rest != len(pdf)", "",
    ),
    Defence(
        Row.PDF, A + "pdf.py::test_one_changed_byte_anywhere_is_refused", "evidence/pdf.py",
        'or said.get("message_digest") != [digest]', "",
    ),
    Defence(
        Row.PDF, E + "vectors_ecdsa.py::test_a_signature_by_another_key_is_refused",
        "evidence/pdf.py", "key.verify(signature, message, ec.ECDSA(hashes.SHA256()))", "pass",
    ),
    Defence(
        Row.PDF, A + "pdf.py::test_no_byte_of_the_signature_can_be_changed", "evidence/pdf.py",
        "if expected != der:", "if False:",
    ),
    Defence(
        Row.PDF, BUNDLES + "[a card in PDF added]", "evidence/verify.py",
        "if surplus := sorted(", "if False and sorted(",
    ),
    Defence(
        Row.CARD_AND_EVIDENCE, A + "pdf.py::test_another_attachment_is_refused", "evidence/pdf.py",
        "if attached[0][1] != envelope:", "if False:",
    ),
    Defence(
        Row.CARD_AND_EVIDENCE,
        A + "altered_bundles.py::test_the_verdict_cannot_say_passed_where_the_evidence_says_failed",
        "evidence/verify.py", "if getattr(summary, field) != getattr(expected, field):",
        "if False:",
    ),
    Defence(
        Row.CARD_AND_EVIDENCE, LIES + "[PASSED, with findings to match]", "evidence/statement.py",
        "if _rounded(verdict) != _rounded(evidence.verdict):", "if False:",
    ),
    Defence(
        Row.PICKLE, PICKLES + "[os.system]", "models/scikit.py",
        "if pickled and not unsafe:", "if False:",
    ),
    Defence(
        Row.ARCHIVE, A + "hostile_archives.py::"
        "test_an_archive_that_says_it_unpacks_to_everything_is_refused_unread",
        "models/scikit.py", "UNPACKED = 4 << 30", "UNPACKED = 4 << 60",
    ),
    Defence(
        Row.ARCHIVE, A + "hostile_archives.py::test_no_manifest_names_a_file_elsewhere[above]",
        "manifest.py", 'if part in ("", ".", ".."):', 'if part == "":',
    ),
    Defence(
        Row.ARCHIVE,
        A + "hostile_archives.py::test_what_is_no_regular_file_is_no_part_of_a_model[a pipe]",
        "model_folder.py", "if stat.S_ISREG(info.st_mode):",
        "if stat.S_ISREG(info.st_mode) or stat.S_ISFIFO(info.st_mode):",
    ),
    Defence(
        Row.YAML, YAMLS + "[an anchor]", "strict_yaml.py",
        'if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):', "if False:",
    ),
    Defence(
        Row.YAML, YAMLS + "[a Python object]", "strict_yaml.py",
        'if getattr(event, "tag", None):', "if False:",
    ),
    Defence(
        Row.YAML, A + "hostile_yaml.py::test_what_older_yaml_turned_into_something_else_stays_text",
        "strict_yaml.py", 'if text in ("true", "false"):',
        'if text in ("true", "false", "no", "on", "yes"):',
    ),
    Defence(
        Row.YAML, YAMLS + "[infinity]", "strict_yaml.py",
        'if text.lower() in (".inf", "-.inf", "+.inf", ".nan"):', "if False:",
    ),
    Defence(
        Row.YAML, A + "hostile_yaml.py::test_types_are_strict", "records.py",
        "Number = Annotated[FiniteFloat, Strict()]", "Number = FiniteFloat",
    ),
    Defence(
        Row.TEMPLATE, A + "hostile_groups.py::test_no_name_becomes_an_element_or_an_attribute",
        "card/html.py", "autoescape=True", "autoescape=False",
    ),
    Defence(
        Row.TEMPLATE,
        A + "hostile_groups.py::test_the_renderers_fetcher_hands_out_nothing_but_fonts",
        "card/pdf.py", 'raise ValueError(f"a card fetches nothing, and was asked for {url!r}")',
        "return super().fetch(url, headers)",
    ),
    Defence(
        Row.LOG, A + "altered_logs.py::test_an_altered_log_is_found", "evidence/log.py",
        "if merkle.root(hashes[: checkpoint.size]).hex() != checkpoint.root:", "if False:",
    ),
    Defence(
        Row.LOG, A + "altered_logs.py::"
        "test_a_log_set_back_as_a_whole_is_found_with_a_remembered_checkpoint", "evidence/log.py",
        "if checkpoint.size > len(hashes):", "if False:",
    ),
    Defence(
        Row.LOG, A + "altered_logs.py::test_a_forked_log_is_found_with_a_remembered_checkpoint",
        "evidence/log.py", "for note in remembered:", "for note in ():",
    ),
    Defence(
        Row.NUMBER, BUNDLES + "[NaN in the log proof]", "records.py",
        ", parse_constant=_no_constant", "",
    ),
    Defence(
        Row.NUMBER, A + "numbers.py::test_no_model_may_answer_it", "models/onnx_model.py",
        "broken = ~np.isfinite(scores).all(axis=1)", "broken = np.zeros(len(scores), dtype=bool)",
    ),
    Defence(
        Row.NUMBER, A + "numbers.py::test_no_rows_are_refused_where_the_profile_counted_some",
        "evidence/statement.py", "if m.basis.n != question.n:", "if False:",
    ),
    Defence(
        Row.KILL, A + "faults.py::test_a_full_disk_at_any_step_leaves_no_bundle",
        "evidence/bundle.py", "shutil.rmtree(staging, ignore_errors=True)", "pass",
    ),
    Defence(
        Row.PERSONAL_DATA, A + "personal_data.py::test_no_output_holds_it[a group of one]",
        "data/slices.py", "small = table.counts < floor", "small = table.counts < 1",
    ),
    Defence(
        Row.KEY, E + "vectors_ed25519.py::"
        "test_a_public_key_under_which_anything_verifies_is_not_trusted",
        "evidence/weak_keys.py", "if y >= _PRIME or y in _SMALL:", "if False:",
    ),
    Defence(
        Row.KEY, E + "vectors_merkle.py::test_every_broken_inclusion_is_refused",
        "evidence/merkle.py", "if made != expected:", "if False:",
    ),
    Defence(
        Row.KEY, E + "vectors_ecdsa.py::test_a_card_signed_on_another_curve_is_refused_even_where"
        "_that_key_is_pinned",
        "evidence/pdf.py", " or not isinstance(key.curve, ec.SECP256R1)", "",
    ),
)  # fmt: skip


_INTRODUCTION = """\
# Attacks and what stops them

Each row is an attack, the rule that stops it, and tests that fail if the line of code beside them
is taken away. `tests/attacks/test_every_defence_is_needed.py` takes away each of these lines in a
copy of the package and demands that the test fails. This page is made of the same table:
`python tests/attacks/defences.py > docs/attacks.md`.
"""
_FURTHER = """
Beyond single attacks: published kinds of vectors for Ed25519, ECDSA P-256 and Merkle proofs
(`tests/evidence/test_vectors_*.py`), fuzzing of every reader of what comes from outside
(`tests/fuzz/`; by hand for longer: `python tests/fuzz/fuzz_with_atheris.py TARGET
-max_total_time=600`), and refusal of altered cards beside other readers of PDFs
(`python benchmarks/altered_pdfs.py`).
"""


def page() -> str:
    """Return docs/attacks.md."""
    parts = [_INTRODUCTION]
    for row in Row:
        parts.append(f"\n## {row[:1].upper()}{row[1:]}\n\nRule: {RULES[row]}.\n\n")
        parts.append("| test | fails without |\n|---|---|\n")
        for d in DEFENCES:
            if d.row is row:
                line = " ".join(d.line.split()).replace("|", "\\|")
                parts.append(f"| `tests/{d.test}` | `{line}` in `govprune/{d.module}` |\n")
    return "".join(parts) + _FURTHER


if __name__ == "__main__":
    print(page(), end="")
