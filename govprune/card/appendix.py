"""What a reader checks last: controls, limits, the policy, methods, environment, every digest."""

from ..evidence.statement import Evidence
from ..frameworks import coverage
from ..policy import Rule
from . import words
from .facts import Facts
from .parts import Points, Prose, Section, Table, left, right, text

_WORD = {
    "evidenced": "evidenced",
    "supported": "supported",
    "not-evidenced": "not evidenced",
}

NOT_MEANT = (
    "PASSED is not a certificate. It says that this candidate, on this data, under this policy, "
    "lost no more than the policy tolerates compared with its baseline.",
    "It does not say that the baseline is good, fair, lawful or fit for its purpose. A candidate "
    "that repeats every fault of its baseline passes.",
    "It speaks of the slices that the data names. Harm to people whom no column tells apart "
    "cannot be seen here.",
    "It rests on the evaluation data being like the people the model will meet, and on its labels "
    "being right.",
    "Each statement about a slice may be wrong with the probability that the policy sets; "
    "gating many candidates on the same data makes a lucky one likelier, which is why attempts "
    "are counted.",
    "Attacks that were not run were not survived. A failed attack shows that this attack failed.",
    "A control marked as evidenced here still needs a person who owns it. A check supports a "
    "control with evidence; it never satisfies one.",
)

_METHODS = (
    (
        "Change of a rate on the same rows",
        "Score interval for paired proportions. Tango, Statistics in Medicine 17 (1998), 891–908.",
    ),
    (
        "One proportion",
        "Exact interval. Clopper and Pearson, Biometrika 26 (1934), 404–413.",
    ),
    (
        "Change of an AUC",
        "DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), 837–845.",
    ),
    (
        "Accusing a slice",
        "Step-down adjustment within each rule. Holm, Scandinavian Journal of Statistics 6 (1979), "
        "65–70.",
    ),
    (
        "Passing every slice",
        "Intersection-union test: each slice at the full level. Berger, Technometrics 24 (1982), "
        "295–300.",
    ),
    (
        "Mean of a difference per row",
        "Student's t, bent for skewness, wide enough for a kind of row not yet seen. Hall, Journal "
        "of the Royal Statistical Society B 54 (1992), 221–228.",
    ),
    (
        "A slice against the rest",
        "Limits from those of both parts. Zou and Donner, Statistics in Medicine 27 (2008), "
        "1693–1702.",
    ),
    (
        "Slices nobody named",
        "Found on one half of the rows, tested on the other. Benjamini and Hochberg, Journal of "
        "the Royal Statistical Society B 57 (1995), 289–300.",
    ),
    (
        "Statistics over groups",
        "Multinomial bootstrap of the joint counts of both models, percentile interval, seeded.",
    ),
    (
        "Ratios of time",
        "Median of interleaved pairs, percentile bootstrap, against an A/A control.",
    ),
)


def sections(facts: Facts) -> tuple[Section, ...]:
    """Return the closing sections in order."""
    evidence = facts.evidence
    return (
        _frameworks(evidence),
        Section(id="limits", title="What PASSED does not mean", parts=(Points(items=NOT_MEANT),)),
        _policy(evidence),
        _methods(facts),
        _subjects(evidence),
        _environment(evidence),
    )


def _frameworks(evidence: Evidence) -> Section:
    framework = coverage(evidence.policy, evidence.verdict)
    rows = tuple(
        (
            text(c.id),
            text(c.gist),
            text(_WORD[c.state], "strong" if c.state == "evidenced" else "quiet"
                 if c.state == "not-evidenced" else "plain"),
            text(", ".join(c.rules) or "—", "quiet"),
        )
        for c in framework.coverage
    )  # fmt: skip
    tally = {state: sum(c.state == state for c in framework.coverage) for state in _WORD}
    return Section(
        id="frameworks",
        title=f"{framework.name} {framework.version}",
        new_page=True,
        parts=(
            Prose(
                text=f"Of {words.count(len(framework.coverage), 'subcategory', 'subcategories')}, "
                f"{tally['evidenced']} are evidenced by findings of this gate, "
                f"{tally['supported']} are supported, {tally['not-evidenced']} are not evidenced "
                "and need people. Evidenced: this gate made the artefact that the control asks "
                "for, whether or not the finding is a pass. Supported: a partial input to it. "
                f"Catalogue sha256 {framework.sha256}."
            ),
            Table(
                caption=f"{framework.name}: every subcategory",
                caption_shown=False,
                dense=True,
                columns=(
                    left("control", 12),
                    left("gist", 48),
                    left("state", 12),
                    left("rules", 28),
                ),
                rows=rows,
            ),
        ),
    )


def _policy(evidence: Evidence) -> Section:
    policy = evidence.policy
    not_asked = {n.rule: words.visible(n.reason) for n in evidence.plan.not_asked}
    dropped = tuple(
        f"Left out: {d.rule}. {words.visible(words.ended(d.because))}" for d in policy.dropped
    )
    reasons = tuple(f"Not asked: {rule}, because {why}." for rule, why in not_asked.items())
    return Section(
        id="policy",
        title=f"The policy: {words.visible(policy.name)} {words.visible(policy.version)}",
        parts=(
            *((Prose(text=words.visible(policy.description)),) if policy.description else ()),
            Table(
                caption="Rules",
                caption_shown=False,
                dense=True,
                columns=(
                    left("rule", 24),
                    left("requirement", 33),
                    left("where the number comes from", 34),
                    right("decides", 9),
                ),
                rows=tuple(
                    (
                        text(rule.id),
                        text(words.visible(rule.title or rule.metric)),
                        text(_because(rule), "quiet"),
                        text("yes" if rule.severity == "block" else "reported"),
                    )
                    for rule in policy.rules
                    if rule.id not in not_asked
                ),
            ),
            *((Points(items=reasons),) if reasons else ()),
            *((Points(items=dropped),) if dropped else ()),
        ),
    )


def _because(rule: Rule) -> str:
    said = [rule.because] if rule.because else []
    if rule.severity == "report":
        said = []  # decides nothing here; the policy has the reason
    if rule.source and rule.severity == "block":
        said.append(f"Source: {words.ended(rule.source)}")
    if rule.needs:
        said.append(f"Rests on {', '.join(rule.needs)}.")
    return words.visible(" ".join(said)) or "—"


def _methods(facts: Facts) -> Section:
    evidence, plan = facts.evidence, facts.evidence.plan
    packages = dict(evidence.environment.packages)
    tools = [
        (f"{title} {packages[name]}", use)
        for name, title, use in (
            ("fairlearn", "Fairlearn", "Definitions of the fairness metrics."),
            (
                "adversarial-robustness-toolbox",
                "Adversarial Robustness Toolbox (ART)",
                "Evasion, inversion and membership attacks.",
            ),
        )
        if name in packages
    ]
    level = (
        f"One-sided level of this attempt: {plan.alpha:.4g} (attempt {plan.attempt}; the policy's "
        f"level is {evidence.policy.alpha:g}, "
        + (
            "shared among attempts as 6 / (π k)²)."
            if evidence.policy.attempts == "charged"
            else "attempts are counted and not charged)."
        )
    )
    points: tuple[Points, ...] = ()
    if evidence.assumptions:
        points = (Points(items=tuple(words.visible(a) for a in evidence.assumptions)),)
    return Section(
        id="methods",
        title="Methods and assumptions",
        parts=(Prose(text=level), _pairs("Methods", "what", "how", [*_METHODS, *tools]), *points),
    )


def _pairs(caption: str, label: str, content: str, rows: list[tuple[str, str]]) -> Table:
    return Table(
        caption=caption,
        caption_shown=False,
        dense=True,
        columns=(left(label, 30), left(content)),
        rows=tuple((text(words.visible(a)), text(words.visible(b))) for a, b in rows),
    )


def _subjects(evidence: Evidence) -> Section:
    return Section(
        id="subjects",
        title="What was judged, by content",
        parts=(
            Table(
                caption="Every file with its digest",
                caption_shown=False,
                dense=True,
                columns=(
                    left("role", 10),
                    left("file", 25),
                    right("bytes", 9),
                    left("sha256", 56),
                ),
                rows=tuple(
                    (
                        text(words.visible(s.role)),
                        text(words.visible(s.name)),
                        text(f"{s.size:,}"),
                        text(s.sha256, "quiet"),
                    )
                    for s in evidence.subjects
                ),
            ),
        ),
    )


def _environment(evidence: Evidence) -> Section:
    env = evidence.environment
    rows = [
        ("govprune", env.govprune),
        ("Python", env.python),
        ("Platform", env.platform),
        ("Seed", str(env.seed)),
        ("Started", evidence.started),
        ("Finished", evidence.finished),
        ("Packages", ", ".join(f"{name} {version}" for name, version in env.packages) or "—"),
    ]
    return Section(
        id="environment",
        title="Environment",
        parts=(_pairs("Environment", "what", "value", rows),),
    )
