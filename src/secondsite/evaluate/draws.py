"""Samples of estimates: seeded, vectorised, and the same for every strategy that asks for the same thing.

Noise is keyed by what it is for (fault, step, figure), not by when it is drawn: two strategies that both wait
for the same decision wait equally long in the same simulated event (common random numbers), so differences
between strategies are not noise. ``factors`` moves medians of figures: the axis of sensitivity studies.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from secondsite.evaluate.recall import Recall
from secondsite.model.estimate import Estimate, Fixed, Lognormal, Maybe, Uniform

Samples: TypeAlias = NDArray[np.float64]


@frozen(eq=False)
class Draws:
    """``count`` samples of everything that is asked for, in the given ``scope`` (a fault, a chunk of years).

    ``factors``: figure name -> column of shape (draws, 1); results then have the shape (draws, count). ``base``: the
    same but for one figure; what does not hang on that one is recalled from there.
    """

    seed: int
    scope: str
    count: int
    factors: Mapping[str, Samples] = field(factory=dict)
    base: Draws | None = None
    _recall: Recall[Samples] = field(factory=Recall)
    _noise: dict[str, Samples] = field(factory=dict, init=False)

    def of(self, key: str, estimate: Estimate) -> Samples:
        """Samples of ``estimate`` for the use ``key``, in its own unit; inf where it is unbounded."""
        return self.once((key, estimate), lambda: self._draw(f"{key}/{estimate.name}", estimate))

    def once(self, key: Hashable, make: Callable[[], Samples]) -> Samples:
        """What ``make`` gives, worked out once for a key: strategies that do the same thing share its samples."""
        return self._recall.once(key, make)

    def moved(self, figure: str, column: Samples, asked: list[set[str]]) -> Draws:
        """The same samples with one figure moved."""
        recall = Recall(asked, self._recall, figure)
        return Draws(self.seed, self.scope, self.count, {**self.factors, figure: column}, self, recall)

    def factor(self, name: str) -> Samples | float:
        self._recall.hangs_on(name)
        return self.factors.get(name, 1.0)

    def uniform(self, key: str) -> Samples:
        """Uniform on [0, 1), the same for the same key."""
        return self._cached(f"u:{key}", lambda rng: rng.random(self.count))

    def _draw(self, key: str, estimate: Estimate) -> Samples:
        match estimate.distribution:
            case None:
                return np.full(1, np.inf)
            case Maybe(probability, then):
                share, what = estimate.inputs[:2]
                # Keyed by the share: two waits that come with the same misfortune come together.
                hit = self.uniform(f"{share.name}?") < probability * np.asarray(self.factor(share.name))
                return np.where(hit, self._spread(key, then) * self.factor(what.name), 0.0)
            case distribution:
                return np.asarray(self._spread(key, distribution) * self.factor(estimate.name))

    def _spread(self, key: str, distribution: object) -> Samples:
        match distribution:
            case Fixed(value):
                return np.full(1, value)
            case Uniform(low, high):
                return low + (high - low) * self.uniform(key)
            case Lognormal(mu, sigma):
                normal = self._cached(f"n:{key}", lambda rng: rng.standard_normal(self.count))
                return np.exp(mu + sigma * normal)
            case other:
                raise TypeError(f"{type(other).__name__} cannot be sampled; only Fixed, Uniform, Lognormal and Maybe")

    def _cached(self, key: str, make: Callable[[np.random.Generator], Samples]) -> Samples:
        if self.base is not None:
            return self.base._cached(key, make)
        if key not in self._noise:
            self._noise[key] = make(generator(self.seed, f"{self.scope}/{key}"))
        return self._noise[key]


def generator(seed: int, key: str) -> np.random.Generator:
    """A generator of its own for every key: independent of order and of what else is drawn."""
    digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest, "big")))


def mean(samples: Samples) -> float:
    return float(np.mean(samples)) if np.all(np.isfinite(samples)) else math.inf
