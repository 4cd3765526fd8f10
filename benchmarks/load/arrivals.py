"""When requests are sent and what they ask for: seeded, so that a run can be offered again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def poisson(rate: float, count: int, seed: int) -> NDArray[np.int64]:
    """`count` arrival times of a Poisson process of `rate` per second: nanoseconds from 0, rising.

    Raises ValueError for a rate that is not above zero.
    """
    if not rate > 0:
        raise ValueError(f"rate is {rate}; expected requests per second above 0")
    gaps = np.random.default_rng([seed, 0]).exponential(1e9 / rate, count)
    return np.cumsum(gaps).astype(np.int64)


def zipf(items: int, count: int, seed: int, exponent: float = 1.0) -> NDArray[np.int64]:
    """`count` choices among `items`: the k-th most popular is drawn in proportion to k^-exponent.

    Which item is the k-th most popular is itself drawn, so that the order of a file does not
    matter. Exponent 0 draws evenly. Raises ValueError when there is nothing to choose from.
    """
    if items < 1:
        raise ValueError("there is no request to choose from")
    rng = np.random.default_rng([seed, 1])
    popularity = np.arange(1, items + 1, dtype=np.float64) ** -exponent
    ranks = np.searchsorted(np.cumsum(popularity), rng.random(count) * popularity.sum())
    chosen: NDArray[np.int64] = rng.permutation(items)[np.minimum(ranks, items - 1)]
    return chosen
