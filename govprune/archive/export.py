"""Bundles, keys and log in one zip that can be opened and verified with nothing installed.

The same bundles give the same bytes: names in order, one date, nothing compressed.
"""

import hashlib
import html
import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EvidenceError, InputError
from ..evidence import merkle, tiles
from ..evidence.durable import write_whole
from ..evidence.keys import TrustedKeys, public_pem
from ..evidence.verify import Verified
from .listing import Listed

_THE_DATE = (1980, 1, 1, 0, 0, 0)  # the first one a zip can hold
_README = """\
Evidence of {count} decisions about compressed models
{underline}

index.html   what is here, for people; not signed
bundles/     one folder for each decision: its card, its evidence, its verdict, its log proof
keys/        public keys of the gates that were trusted where this was exported
{log}verify.py    verifies all of it; needs Python 3.9 or newer and the package cryptography

Nothing here says anything until it has been verified:

    python3 -I verify.py THIS_FOLDER_OR_ZIP --key GATE.pub

Take GATE.pub from whoever decides, not from here. If they told you the id of their key instead:

    python3 -I verify.py THIS_FOLDER_OR_ZIP --key-id ID

and a copy of verify.py from the source of govprune, not from here, if whoever sent you this might
gain by deceiving you. What it does not check, it says; govprune verify checks that too.
"""
_LOG_LINE = "log/         the log that all decisions stand in, as a tiled log (C2SP tlog-tiles)\n"


@dataclass(frozen=True)
class Included:
    """A verified bundle, and the line that the index shows of it."""

    line: Listed
    found: Verified


def export(
    bundles: Sequence[Included], *, keys: Sequence[TrustedKeys], log: Path | None, out: Path
) -> str:
    """Write the zip; it is there as a whole or not at all.

    Args:
        bundles: What to put in.
        keys: Whose public halves go with it, and whose checkpoints count.
        log: Folder of the log that the verdicts stand in; None leaves it out.
        out: Where the zip shall lie; must not exist.

    Returns:
        SHA-256 (hex) of the verify.py inside, to be told to who receives the zip.

    Raises:
        InputError: `out` exists, or nothing was given.
        EvidenceError: A verdict does not stand in the log, or that was tampered with.
    """
    if not bundles:
        raise InputError("no bundle to export; name at least one")
    if os.path.lexists(out):
        raise InputError(f"{out} exists; an export is never replaced: choose another -o")
    names = _names(bundles)
    files = {
        f"bundles/{name}/{file}": data
        for name, bundle in names.items()
        for file, data in bundle.found.files.items()
    }
    for key in keys:
        files[f"keys/{_word(key.owner)}-{key.key_id[:12]}.pub"] = public_pem(key)
    if log is not None:
        files |= _log_files(log, keys, bundles)
    heading = f"Evidence of {len(bundles)} decisions about compressed models"
    files["README.txt"] = _README.format(
        count=len(bundles), underline="=" * len(heading), log=_LOG_LINE * (log is not None)
    ).encode()
    files["index.html"] = _index(names).encode()
    files["verify.py"] = Path(__file__).with_name("verify.py").read_bytes()
    _write(out, _zip(files))
    return hashlib.sha256(files["verify.py"]).hexdigest()


def _names(bundles: Sequence[Included]) -> dict[str, Included]:
    """Give each bundle the name of its folder, and a number where two are called alike."""
    named: dict[str, Included] = {}
    for bundle in bundles:
        word = _word(Path(bundle.line.path).resolve().name)
        name, number = word, 1
        while name in named:
            number += 1
            name = f"{word}-{number}"
        named[name] = bundle
    return named


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "bundle"


def _log_files(
    folder: Path, keys: Sequence[TrustedKeys], bundles: Sequence[Included]
) -> Mapping[str, bytes]:
    """Return the files of a log, once every verdict was found in it."""
    tiled = tiles.read(folder, keys)
    for bundle in bundles:
        at, place = bundle.found.checkpoint, bundle.found.index
        root = merkle.root(tiled.hashes[: at.size]).hex()
        if (at.origin, at.root) != (tiled.checkpoint.origin, root) or at.size > len(tiled.leaves):
            raise EvidenceError(
                f"{bundle.line.path}: entry {place + 1} of {at.origin} does not stand in the log "
                f"{folder}; give the log that the gate wrote, or one that was not cut off"
            )
    return {f"log/{name}": data for name, data in tiles.files_of(tiled).items()}


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    # Stored: what deflate makes of the same bytes depends on the library.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _THE_DATE)
            member.create_system, member.external_attr = 3, 0o100644 << 16
            archive.writestr(member, files[name])
    return buffer.getvalue()


def _write(out: Path, data: bytes) -> None:
    try:
        write_whole(out, data, replace=False)
    except OSError as error:
        raise InputError(
            f"{out}: the export could not be written ({error.strerror}); nothing was left there"
        ) from error


# --- the page for people

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Decisions about compressed models</title>
<style>
body {{ font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
caption {{ text-align: left; padding: .5rem 0 }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0;
  border-bottom: 1px solid #bbb }}
code {{ font-size: .85em; word-break: break-all }}
</style>
<h1>Decisions about compressed models</h1>
<p><strong>This page is not signed.</strong> It repeats what the bundles said when this was
exported. Verify them before you rely on a word of it: see <a href="README.txt">README.txt</a>.</p>
<table>
<caption>Newest first. Times are UTC.</caption>
<thead><tr><th scope="col">Date</th><th scope="col">Verdict</th><th scope="col">Candidate</th>
<th scope="col">Attempt</th><th scope="col">Policy</th><th scope="col">Holds until</th>
<th scope="col">Signed by</th><th scope="col">Bundle</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</html>
"""


def _index(names: Mapping[str, Included]) -> str:
    order = sorted(names, key=lambda name: (names[name].line.date, name), reverse=True)
    return _PAGE.format(rows="\n".join(_row(name, names[name]) for name in order))


def _row(name: str, bundle: Included) -> str:
    line = bundle.line
    place = f"bundles/{name}"
    cards = [f'<a href="{place}/card.html">card</a>']
    if "card.pdf" in bundle.found.files:
        cards.append(f'<a href="{place}/card.pdf">PDF</a>')
    cells = (
        html.escape(line.date),
        f"<strong>{html.escape(line.result)}</strong>",
        f"{html.escape(line.candidate)}<br><code>{html.escape(line.candidate_sha256)}</code>",
        str(line.attempt),
        html.escape(line.policy),
        html.escape(line.expires),
        f"{html.escape(line.signer)}<br><code>{html.escape(line.key)}</code>",
        f"{html.escape(name)}: {', '.join(cards)}",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
