"""How long it takes to refuse a card of two dozen pages that was altered, beside other readers.

    python benchmarks/altered_pdfs.py [--rounds 9]

Each of seven alterations, and the genuine card, is given to govprune's own rule, to pyHanko and to
Poppler's pdfsig in turn. The limit: 50 ms to refuse.
"""

import argparse
import asyncio
import io
import logging
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "attacks")]

from altered_pdfs import altered, large_card  # noqa: E402 found by the line above

from govprune.errors import EvidenceError  # noqa: E402
from govprune.evidence.key_files import load_signing_keys  # noqa: E402
from govprune.evidence.keys import SigningKeys, new_keys  # noqa: E402
from govprune.evidence.pdf import verify_pdf  # noqa: E402

MILLISECONDS = 50


def ours(keys: SigningKeys, envelope: bytes) -> Callable[[bytes], str]:
    """Return govprune's rule: the pinned certificate signed every byte."""

    def ask(pdf: bytes) -> str:
        try:
            verify_pdf(pdf, certificate=keys.certificate, envelope=envelope)
        except EvidenceError:
            return "refused"
        return "accepted"

    return ask


def pyhanko(keys: SigningKeys) -> Callable[[bytes], str]:
    """Return pyHanko's answer, given the certificate as the one authority."""
    from asn1crypto import x509
    from cryptography.hazmat.primitives.serialization import Encoding
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    root = x509.Certificate.load(keys.certificate.public_bytes(Encoding.DER))

    def ask(pdf: bytes) -> str:
        try:
            signatures = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        except PdfError:
            return "unreadable"
        if not signatures:
            return "no signature"
        context = ValidationContext(trust_roots=[root], allow_fetching=False)
        status = asyncio.run(async_validate_pdf_signature(signatures[0], context))
        return "accepted" if status.bottom_line else "refused"

    return ask


def poppler(folder: Path) -> Callable[[bytes], str]:
    """Return what pdfsig says of the signature, and of what it covers; it knows no certificate."""
    path = folder / "card.pdf"

    def ask(pdf: bytes) -> str:
        path.write_bytes(pdf)
        said = subprocess.run(
            ["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False
        ).stdout
        if "Signature is Valid" not in said:
            return "refused" if "Signature" in said else "no signature"
        return "valid" if "Total document signed" in said else "valid, in part"

    return ask


def timed(ask: Callable[[bytes], str], pdf: bytes, rounds: int) -> str:
    """Return the answer and the median of its times."""
    took = []
    for _ in range(rounds):
        start = perf_counter()
        said = ask(pdf)
        took.append(perf_counter() - start)
    return f"{said} {1000 * statistics.median(took):.1f} ms"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()  # pyHanko reports each forged file at length
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        keys, stranger = (
            load_signing_keys(new_keys(folder / name, owner="the gate")[0]) for name in ("a", "b")
        )
        unsigned, signed, envelope = large_card(keys)
        cases = {"genuine": signed} | altered(unsigned, signed, stranger)
        readers = {
            f"govprune (limit {MILLISECONDS} ms)": ours(keys, envelope),
            "pyHanko": pyhanko(keys),
            "pdfsig": poppler(folder),
        }
        print(f"{len(signed):,} bytes; median of {given.rounds}")
        print(f"{'':24}" + "".join(f"{name:26}" for name in readers))
        for name, pdf in cases.items():
            answers = (timed(ask, pdf, given.rounds) for ask in readers.values())
            print(f"{name:24}" + "".join(f"{answer:26}" for answer in answers).rstrip())


if __name__ == "__main__":
    main()
