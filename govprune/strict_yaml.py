"""YAML from a hostile source, read strictly, with the line of every value.

Refused: control characters, a key given twice, anchors and aliases, tags, several documents, keys
that are not text, numbers that are not finite, more than 250 kB or 20,000 values. `no`, `on` and
`1:30` stay text: only `true` and `false` are truth values, only decimal numbers are numbers (YAML
1.2 core).
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from .errors import InputError
from .records import refusal

LIMIT = 250_000
"""Characters: some seconds of reading at worst."""
DEPTH = 40
MOST_EVENTS = 20_000
"""Values, and starts and ends of lists and mappings: some seconds of reading."""
LONGEST_NUMBER = 30
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_WHOLE = r"(?:0|[1-9][0-9]*)"  # 017 is 15 to some readers and 17 to others: it stays text
_FLOAT = re.compile(rf"[-+]?({_WHOLE}\.[0-9]*|\.[0-9]+|{_WHOLE})([eE][-+]?[0-9]+)?")
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """YAML values with the line each came from."""

    value: Any
    lines: dict[Path, int]
    source: str

    def where(self, path: Path) -> str:
        """Return `file:line` of the value at `path`, or of its nearest parent."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return f"{self.source}:{self.lines[path[:end]]}"
        return self.source


def load(text: str, *, source: str, error: type[InputError]) -> Document:
    """Read one YAML document.

    Args:
        text: The document.
        source: File name, for messages.
        error: Which error to raise: the caller knows whose file this is.
    """
    if len(text) > LIMIT:
        raise error(f"{source}: longer than {LIMIT} characters; refused")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            _refuse_event(event, source, error)
            if count > MOST_EVENTS:
                raise error(f"{source}: more than {MOST_EVENTS:,} values; refused")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else "?"
                raise error(f"{source}:{line}: nested deeper than {DEPTH}; refused")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        said = getattr(problem, "problem", None) or str(problem)
        raise error(f"{source}{line}: not YAML ({said})") from problem
    lines: dict[Path, int] = {}
    value = None if node is None else _build(node, (), lines, source, error)
    return Document(value=value, lines=lines, source=source)


def _refuse_event(event: Any, source: str, error: type[InputError]) -> None:
    line = event.start_mark.line + 1
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise error(f"{source}:{line}: anchors and aliases are refused; write the value out")
    if getattr(event, "tag", None):
        raise error(f"{source}:{line}: the tag {event.tag} is refused; write a plain value")


def _build(
    node: Any, path: Path, lines: dict[Path, int], source: str, error: type[InputError]
) -> Any:
    line = node.start_mark.line + 1
    lines[path] = line
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, i), lines, source, error) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = f"{source}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value.isprintable():
                raise error(f"{at}: a key must be plain text")
            key = key_node.value
            if key in result:
                raise error(f"{at}: the key {key!r} is given twice; keep one")
            result[key] = _build(value_node, (*path, key), lines, source, error)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return result
    return _scalar(node, f"{source}:{line}", error)


def _scalar(node: Any, at: str, error: type[InputError]) -> Any:
    text = _visible(node.value, at, error)
    if node.style is not None:  # quoted or block: text, always
        return text
    if len(text) > LONGEST_NUMBER:  # a digest may happen to look like a number
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        if len(text) > 16:
            raise error(f"{at}: the number {text[:16]}... is too long; quote it if it is text")
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise error(f"{at}: {text} is not a finite number")
        return number
    if text.lower() in (".inf", "-.inf", "+.inf", ".nan"):
        raise error(f"{at}: {text} is not a finite number")
    return text


def _visible(text: str, at: str, error: type[InputError]) -> str:
    """Refuse what would steer a terminal or end a file name."""
    for c in text:
        if not c.isprintable() and c not in "\n\t":
            raise error(f"{at}: text holds the control character {c!a}; remove it")
    return text


def explain(problem: ValidationError, document: Document) -> str:
    """Say what is wrong, one `file:line: field: sentence` per line and per field."""
    said: dict[Path, list[str]] = {}
    for item in problem.errors():
        path = _written(item["loc"], document.value, lacks=item["type"] == "missing")
        sentences = said.setdefault(path, [])
        if (sentence := refusal(item)) not in sentences:
            sentences.append(sentence)
    return "\n".join(
        f"{document.where(path)}: {'.'.join(map(str, path)) + ': ' if path else ''}"
        f"{', or '.join(sentences)}"
        for path, sentences in said.items()
    )


def _written(path: Path, value: Any, *, lacks: bool) -> Path:
    """Leave out of a path what no author wrote: the names pydantic gives to alternatives."""
    kept: list[str | int] = []
    for i, part in enumerate(path):
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside or (lacks and i == len(path) - 1):
            kept.append(part)
        if inside:
            value = value[part]
    return tuple(kept)
