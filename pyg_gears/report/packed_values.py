"""Arrays and names as text for a page: quantised, deflated, base64. ``page/unpack.js`` reads them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int


def packed_bytes(content: bytes) -> str:
    """Deflate and base64: what ``DecompressionStream("deflate")`` of a browser reads."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def packed_names(names: Sequence[str]) -> str:
    """A list of names, each of any characters."""
    return packed_bytes(json.dumps(list(names)).encode("ascii"))


def packed_numbers(values: Float[np.ndarray, " n"], bits: int = 16, steps: int | None = None) -> dict[str, Any]:
    r"""Numbers in equal steps between the smallest and the largest.

    .. math:: v \approx low + c \, (high - low) / steps

    with c the stored code; the largest code means that there is no value (NaN or infinite).

    Args:
        values: Shape (n,), any range.
        bits: 8 or 16.
        steps: Between the smallest and the largest; ``2**bits - 2`` if omitted. Fewer compress better.

    Returns:
        ``low``, ``high``, ``steps``, ``bits`` and ``data``.
    """
    values = np.asarray(values, dtype=np.float64)
    steps = 2**bits - 2 if steps is None else steps
    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 0.0)
    # Halves: the range of the largest floats is itself no float.
    span = high / 2 - low / 2
    share = np.divide(values / 2 - low / 2, span, out=np.zeros(len(values)), where=known & (span > 0))
    codes = np.where(known, np.rint(share * steps), 2**bits - 1)
    return {"low": low, "high": high, "steps": steps, **packed_codes(codes.astype(np.int64), bits)}


def packed_codes(codes: Int[np.ndarray, " n"], bits: int) -> dict[str, Any]:
    """Whole numbers from 0 to ``2**bits - 1``, as ``bits`` and ``data`` (little-endian)."""
    return {"bits": bits, "data": packed_bytes(codes.astype("<u2" if bits == 16 else "u1").tobytes())}
