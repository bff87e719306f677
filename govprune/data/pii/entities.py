"""What is looked for, and the words in a column name or before a number that say what it is."""

import re
from dataclasses import dataclass
from functools import lru_cache

IDENTITY = "checksum-valid-numbers"
CONTACT = "contact-details"
NETWORK = "network-addresses"
SECRETS = "secrets"


@dataclass(frozen=True)
class Entity:
    """One kind of personal data or secret."""

    id: str
    title: str
    group: str
    """The metric it counts towards."""
    words: str = ""
    """Regular expression, lower case: what people write just before such a number."""
    header: str = ""
    """Regular expression for a whole column name in lower case, its words joined by one space."""


_NEUTRAL = (
    r"(?:number|numbers|no|nr|num|id|value|home|work|main|primary|secondary|alt|customer|client|"
    r"user|employee|applicant|patient|contact|person|account|my|your|the|of|raw|full|[0-9]+)"
)


def _header(core: str) -> str:
    """Return a pattern for a column name that is `core` and words that change nothing."""
    return rf"(?:{_NEUTRAL} )*(?:{core})(?: {_NEUTRAL})*"


ENTITIES = (
    Entity(
        "payment-card",
        "Payment card number",
        IDENTITY,
        r"card|visa|amex|maestro|discover|diners|\bjcb\b|credit|debit|\bcc\b|\bccn\b|\bpan\b|payment",
        _header(r"(?:credit |debit |payment |bank )?card|cc|ccn|pan|creditcard|cardnumber"),
    ),
    Entity(
        "iban",
        "Bank account number (IBAN)",
        IDENTITY,
        r"iban|account",
        _header(r"iban|bank account"),
    ),
    Entity(
        "us-ssn",
        "US social security number",
        IDENTITY,
        r"ssn|\bss ?#|social[ _-]?sec|soc\.? sec|tax(?:payer)? id",
        _header(r"ssn|social security|socialsecurity|socsec|soc sec|social security number"),
    ),
    Entity("us-itin", "US taxpayer number (ITIN)", IDENTITY, r"itin|tax(?:payer)? id",
           _header(r"itin|tin")),
    Entity("br-cpf", "Brazilian taxpayer number (CPF)", IDENTITY, r"\bcpf", _header("cpf")),
    Entity("cn-ric", "Chinese resident identity number", IDENTITY, r"resident|身份证|identity",
           _header("ric|resident identity")),
    Entity("es-dni", "Spanish identity number (DNI, NIE)", IDENTITY, r"\bdni|\bnif|\bnie\b",
           _header("dni|nif|nie")),
    Entity("fi-hetu", "Finnish identity code (HETU)", IDENTITY, r"hetu|henkil",
           _header("hetu|henkilötunnus")),
    Entity("fr-nir", "French social security number (NIR)", IDENTITY, r"\bnir\b|insee|s[ée]curit",
           _header("nir|insee|secu")),
    Entity("gb-nhs", "British health number (NHS)", IDENTITY, r"\bnhs", _header("nhs")),
    Entity("in-aadhaar", "Indian identity number (Aadhaar)", IDENTITY, r"aadha?ar|uidai",
           _header("aadhaar|aadhar")),
    Entity("it-codice-fiscale", "Italian tax code", IDENTITY, r"codice|fiscale",
           _header("codice fiscale|codicefiscale")),
    Entity("mx-curp", "Mexican identity code (CURP)", IDENTITY, r"curp", _header("curp")),
    Entity("nl-bsn", "Dutch service number (BSN)", IDENTITY, r"\bbsn|burgerservice",
           _header("bsn|burgerservicenummer")),
    Entity("pl-pesel", "Polish identity number (PESEL)", IDENTITY, r"pesel", _header("pesel")),
    Entity("se-personnummer", "Swedish identity number", IDENTITY, r"person(?:al )?n",
           _header("personnummer")),
    Entity("e-mail", "E-mail address", CONTACT),
    Entity(
        "phone",
        "Telephone number",
        CONTACT,
        r"phone|\btel\b|\btel[.:]|mobile|\bcell\b|\bfax|whats ?app|\bcall(?:ed|ing)?\b|\bsms\b|"
        r"\btext\b|\bdial|\breach|\bcontact|\bring\b|t[ée]l[ée]phone|telefon",
        _header(
            r"(?:tele|mobile |cell )?phone|tel|mobile|cellphone|cell number|fax|msisdn|telefon|"
            r"phonenumber|whatsapp|contact (?:number|no)"
        ),
    ),
    Entity("ipv4", "IP address (version 4)", NETWORK, r"\bip\b|address|host|server"),
    Entity("ipv6", "IP address (version 6)", NETWORK),
    Entity("mac", "Network card address (MAC)", NETWORK),
    Entity("aws-key", "AWS access key", SECRETS),
    Entity("github-token", "GitHub token", SECRETS),
    Entity("google-key", "Google API key", SECRETS),
    Entity("json-web-token", "JSON web token", SECRETS),
    Entity("private-key", "Private key (PEM)", SECRETS),
    Entity("slack-token", "Slack token", SECRETS),
)  # fmt: skip

BY_ID = {entity.id: entity for entity in ENTITIES}
_WORDS = {entity.id: re.compile(entity.words) for entity in ENTITIES if entity.words}
_HEADERS = {entity.id: re.compile(entity.header) for entity in ENTITIES if entity.header}
_NATIONAL_WORDS = re.compile(
    "|".join(
        e.words for e in ENTITIES if e.group == IDENTITY and e.id not in ("payment-card", "iban")
    )
)
_REACH = 40  # characters before a number in which a word can say what it is


@lru_cache(maxsize=4096)
def labels(column: str) -> frozenset[str]:
    """Return the entities a column's name says it holds.

    The whole name must say so: `ssn`, `customer_phone_2` and `cardNumber` do, `card_type`,
    `cell_count` and `mobile_revenue` do not.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column[:200])
    words = " ".join(re.split(r"[\W_]+", spaced.lower())).strip()
    return frozenset(name for name, header in _HEADERS.items() if header.fullmatch(words))


def national_words(text: str) -> bool:
    """Whether any word of a national number is in the text at all."""
    return _NATIONAL_WORDS.search(text.lower()) is not None


def said_before(entity: str, text: str, start: int) -> bool:
    """Whether a word shortly before `start` says that a number there is this entity."""
    pattern = _WORDS.get(entity)
    return pattern is not None and bool(
        pattern.search(text[max(0, start - _REACH) : start].lower())
    )
