"""What is required and what follows: rules, plan, judgement, verdict. Pure."""

from .judge import Finding, Status, judge
from .load import PolicySource, load, schema
from .plan import Plan, Question, charged_alpha, make_plan, refuse_finer_slices
from .rules import Policy, Rule
from .verdict import Result, Verdict, decide
from .waivers import Judged, Outcome, Waiver, exposed, refusal_of, waive

__all__ = [
    "Finding",
    "Judged",
    "Outcome",
    "Plan",
    "Policy",
    "PolicySource",
    "Question",
    "Result",
    "Rule",
    "Status",
    "Verdict",
    "Waiver",
    "charged_alpha",
    "decide",
    "exposed",
    "judge",
    "load",
    "make_plan",
    "refusal_of",
    "refuse_finer_slices",
    "schema",
    "waive",
]
