"""Stable hashing: the same in every process, on every machine, in every run."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

MISSING = 0
"""The bucket that is kept for a missing value."""


def bucket(text: str | None, buckets: int) -> int:
    """The hashed bucket of a category, 1 to buckets - 1; bucket 0 where the value is missing."""
    if text is None:
        return MISSING
    return 1 + crc32(text.encode(errors="surrogatepass")) % (buckets - 1)


@lru_cache(maxsize=1 << 16, typed=True)
def hash64(value: str | int | bool | bytes) -> int:
    """64 well mixed bits of a value (BLAKE2b of its text)."""
    text = value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
