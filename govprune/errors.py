"""What can go wrong. Each message names the file, line or field, and says what to do next.

* GovpruneError (exit code 2)
  * InputError: something given cannot be used
    * PolicyError: the policy cannot be read or does not make sense
    * JobError: govprune.yaml cannot be read or does not make sense
    * SubjectError: a model or data file is missing, unsafe or not what it claims to be
    * SigningKeyError: a signing key is missing, readable by others, or of the wrong kind
  * CheckError: a check could not measure; becomes a `not_measured` finding, never silence
  * EvidenceError (exit code 4): evidence is forged, altered, incomplete or not trusted
  * PromotionRefused (exit code 1, or 3 when undecided): the verdict does not allow it
"""


class GovpruneError(Exception):
    """Base of every error that govprune raises on purpose."""

    exit_code = 2


class InputError(GovpruneError):
    """Something that was given cannot be used."""


class PolicyError(InputError):
    """The policy cannot be read or does not make sense."""


class JobError(InputError):
    """The job file (govprune.yaml) cannot be read or does not make sense."""


class SubjectError(InputError):
    """A model or data file is missing, unsafe to load, or not what it claims to be."""


class SigningKeyError(InputError):
    """A key is missing, readable by others, or of the wrong kind."""


class CheckError(GovpruneError):
    """A check could not measure. The gate turns it into a `not_measured` finding."""


class EvidenceError(GovpruneError):
    """Evidence is forged, altered, incomplete or signed by nobody who is trusted."""

    exit_code = 4


class PromotionRefused(GovpruneError):  # noqa: N818 a refusal is an answer, not an error
    """The verdict, the policy or the clock does not allow this promotion."""

    def __init__(self, message: str, *, undecided: bool = False) -> None:
        super().__init__(message)
        self.exit_code = 3 if undecided else 1
