"""Records: values that never change once made and refuse fields they do not know.

Two equal records have equal canonical bytes (RFC 8785), hence equal digests, on every machine.
"""

import ast
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, get_args

import rfc8785
from pydantic import BaseModel, ConfigDict, FiniteFloat, Strict
from pydantic_core import ErrorDetails

from .errors import EvidenceError


class Record(BaseModel):
    """A frozen value made of scalars, tuples and other records."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def described(record: type[Record]) -> dict[str, Any]:
    """Return the JSON Schema of a record, each field with the sentence under it in the source.

    Pydantic could do so at import, for every record and every command: a quarter of a second.
    """
    schema = record.model_json_schema()
    for made in _below(record):
        found = schema if made is record else schema.get("$defs", {}).get(made.__name__)
        for name, said in _sentences(made) if found else ():
            field = found.get("properties", {}).get(name)
            if field is not None:
                field["description"] = said
    return schema


def _below(record: type[Record]) -> set[type[Record]]:
    """Return a record and all that its fields are made of."""
    found, waiting = {record}, [record]
    while waiting:
        for field in waiting.pop().model_fields.values():
            parts = [field.annotation]
            while parts:
                part = parts.pop()
                parts += get_args(part)
                if isinstance(part, type) and issubclass(part, Record) and part not in found:
                    found.add(part)
                    waiting.append(part)
    return found


def _sentences(record: type[Record]) -> Iterator[tuple[str, str]]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    body = node.body if isinstance(node, ast.ClassDef) else []
    for field, said in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(said, ast.Expr)
            and isinstance(said.value, ast.Constant)
            and isinstance(said.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(said.value.value)


Number = Annotated[FiniteFloat, Strict()]
"""A finite number that was written as one: no text, and no truth value."""

_KINDS = {
    "string_type": "must be text",
    "dict_type": "must be a mapping, `name: value`",
    "model_type": "must be a mapping, `name: value`",
    "model_attributes_type": "must be a mapping, `name: value`",
    "tuple_type": "must be a list, `[a, b]`",
    "list_type": "must be a list, `[a, b]`",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "finite_number": "must be a finite number",
    "extra_forbidden": "no such field; check the spelling or remove it",
    "missing": "is required",
}
MOST_VALUES = 2_000_000
"""Of one JSON document: each takes some hundred bytes of memory, whatever it takes in the file."""
_KEBAB = "^[a-z0-9]+(-[a-z0-9]+)*$"


def refusal(item: ErrorDetails) -> str:
    """Say in this project's words why pydantic refused a value; goes after the field's name."""
    kind, given, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_type" and isinstance(given, bool | int | float):
        shown = str(given).lower() if isinstance(given, bool) else given
        return f'must be text, not {shown}: quote it, "{shown}"'
    if kind == "string_pattern_mismatch" and context["pattern"] == _KEBAB:
        return f"'{given}' must be small letters, digits and hyphens"
    if kind in _KINDS:
        return _KINDS[kind]
    said = re.sub(r"^[A-Z][a-z]+ should ", "must ", item["msg"])
    return said.replace(" after validation", "")


def to_json(record: Record) -> Any:
    """Return the record as plain JSON values (dict, list, str, int, float, bool, None)."""
    return record.model_dump(mode="json")


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes (RFC 8785) of a record or of plain JSON values.

    Raises:
        EvidenceError: The value holds NaN, an infinity, an integer beyond 2**53 or half a
            character, or is nested too deep.
    """
    plain = to_json(value) if isinstance(value, Record) else value
    try:
        return rfc8785.dumps(plain)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise EvidenceError(f"cannot be written as canonical JSON: {error}") from error


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of the canonical bytes of a record or of plain JSON values."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise EvidenceError(f"JSON object has the key {twice[0]!r} twice; refused")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise EvidenceError(f"JSON holds {name}, which is not a number; refused")


def parse_json(data: bytes, *, source: str, limit: int = 64_000_000) -> Any:
    """Read JSON from a hostile source: no duplicate key, no NaN, no size over `limit` bytes.

    Nor more than `MOST_VALUES` values.

    Raises:
        EvidenceError: The bytes break one of these rules or are not JSON at all.
    """
    if len(data) > limit:
        raise EvidenceError(f"{source}: {len(data)} bytes, more than the {limit} allowed")
    # An upper bound that needs no parsing: text may hold these signs, too.
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise EvidenceError(f"{source}: more than {MOST_VALUES:,} values; refused")
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
        if b"\\u" in data:  # an escape can spell half a character, which no text may hold
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except EvidenceError as error:
        raise EvidenceError(f"{source}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{source}: not JSON ({error})") from error
    return value
