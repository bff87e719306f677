"""Public keys under which a signature proves nothing.

A point of small order verifies signatures that nobody made, and a y beyond the prime spells a key
in a second way, under a second key id. The library loads both.
Source: RFC 8032, section 5.1.3; the five y are those of the eight points of order 1, 2, 4 and 8.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..errors import SigningKeyError

_PRIME = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL = {0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8}


def refuse_weak(key: Ed25519PublicKey, *, source: str) -> None:
    """Demand a key that only its owner can sign for, in its only spelling.

    Raises:
        SigningKeyError: The point is of small order, or its y is not below the prime.
    """
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)  # without the sign of x
    if y >= _PRIME or y in _SMALL:
        raise SigningKeyError(
            f"{source}: a weak Ed25519 key, for which anybody can sign; make new ones with "
            "`govprune keys new`"
        )
