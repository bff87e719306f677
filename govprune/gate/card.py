"""The card of sealed evidence: HTML always, PDF where WeasyPrint's libraries are."""

import hashlib
from datetime import datetime
from typing import Any

from ..errors import InputError
from ..evidence.keys import SigningKeys
from ..evidence.statement import Evidence


def render_card(
    evidence: Evidence,
    envelope: bytes,
    keys: SigningKeys | None,
    notes: list[str],
    *,
    signer: str | None = None,
    pdf: bool = True,
    timestamp: str | None = None,
) -> Any:
    """Render the card of sealed evidence.

    Args:
        evidence: What the card shows.
        envelope: The signed envelope that is attached to the PDF.
        keys: Signs the PDF; None leaves it unsigned.
        notes: Receives the reason where no PDF could be made.
        signer: Whom an unsigned copy names as the signer of the evidence.
        pdf: Whether to make one; it takes most of the time of a small run.
        timestamp: Address of an authority whose time over the signature is put into the PDF.
    """
    from ..card import CardError, make_view, render_html, render_pdf, sign_pdf
    from ..evidence.bundle import CardFiles

    if keys is not None:
        signer = f"{keys.owner}, key {keys.key_id[:16]}"
    sha256 = hashlib.sha256(envelope).hexdigest()
    view = make_view(evidence, evidence_sha256=sha256, signer=signer)
    html = render_html(view)
    if not pdf:
        return CardFiles(html=html, pdf=None)
    try:
        made = render_pdf(
            view, attachment=envelope, created=datetime.fromisoformat(evidence.finished)
        )
    except CardError as error:
        notes.append(f"no PDF card: {error}")
        return CardFiles(html=html, pdf=None)
    if keys is None:
        return CardFiles(html=html, pdf=made)
    try:
        return CardFiles(html=html, pdf=sign_pdf(made, keys, timestamp=timestamp))
    except InputError as error:
        notes.append(f"no timestamp in the PDF: {error}")
        return CardFiles(html=html, pdf=sign_pdf(made, keys))
