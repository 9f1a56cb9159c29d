"""How much data there is: streams and stores in bytes, and how long moving it takes."""

from __future__ import annotations

import math
from collections.abc import Collection

from secondsite.catalogue.figures import Figures
from secondsite.model.estimate import Estimate, Fixed, Lognormal, Maybe, Provenance, Uniform
from secondsite.model.nats import Stream
from secondsite.model.store import Loss
from secondsite.model.system import System


def stream_bytes(system: System, figures: Figures) -> float:
    """Bytes stored in all streams: as read from a live server, else load × age, bounded by the volumes."""
    known = [stream.bytes for stream in all_streams(system)]
    if known and all(size is not None for size in known):
        return float(sum(size or 0 for size in known))
    ceiling = sum(float(cluster.max_file_bytes or math.inf) for cluster in system.home_clusters)
    load = system.load.mean_per_s * system.load.message_bytes
    return min(load * retention_s(system, figures), ceiling)


def retention_s(system: System, figures: Figures) -> float:
    """The longest time a message is kept; an assumption where no stream says."""
    ages = [stream.max_age_s for stream in all_streams(system) if stream.max_age_s]
    return max(ages, default=figures["stream.age"].mean)


def all_streams(system: System) -> tuple[Stream, ...]:
    """Of the first region: what mirrors one of them elsewhere holds the same messages."""
    return tuple(stream for cluster in system.home_clusters for stream in cluster.streams)


def store_bytes(system: System, names: Collection[str] = ()) -> float:
    """Bytes in databases and vector stores (of ``names``, where there are some), by their volumes (an upper bound)."""
    kept = [store for store in system.stores if store.loss is Loss.DATA and (not names or store.name in names)]
    return float(sum(store.size_bytes or 0 for store in kept))


def log_bytes_per_s(system: System, names: Collection[str]) -> float:
    """What the logs of these stores grow by: what their servers said they write, else about one row a message."""
    rates = [store.running.written_bytes_per_s for store in system.stores if store.running and store.name in names]
    known = sum(rate for rate in rates if rate is not None)
    return known or system.load.mean_per_s * system.load.message_bytes


def write_shares(system: System) -> dict[str, float]:
    """The share of all writes that each stream takes: by its own rate where known, else an even share of the rest."""
    streams = all_streams(system)
    known = math.fsum(stream.rate_per_s for stream in streams if stream.rate_per_s is not None)
    unknown = sum(stream.rate_per_s is None for stream in streams)
    rest = max(system.load.mean_per_s - known, 0.0) / unknown if unknown else 0.0
    rates = {stream.name: rest if stream.rate_per_s is None else stream.rate_per_s for stream in streams}
    whole = math.fsum(rates.values())
    return {name: rate / whole if whole else 1 / len(rates) for name, rate in rates.items()}


def stream_rate_bytes_per_s(system: System) -> float:
    """What all streams take in together."""
    return system.load.mean_per_s * system.load.message_bytes


def transfer_time(name: str, size_bytes: float, rate: Estimate) -> Estimate:
    """Seconds to move ``size_bytes`` at ``rate`` (MB/s, lognormal)."""
    if not isinstance(rate.distribution, Lognormal) or size_bytes <= 0:
        return Estimate(name, "s", Fixed(0.0), Provenance.DERIVED, "nothing to move", inputs=(rate,))
    spread = rate.distribution
    return Estimate(
        name=name,
        unit="s",
        distribution=Lognormal(math.log(size_bytes / 1e6) - spread.mu, spread.sigma),
        provenance=Provenance.DERIVED,
        source=f"{size_bytes / 1e9:.1f} GB at {rate.name}",
        plausible=(1 / rate.plausible[1], 1 / rate.plausible[0]),
        settle=rate.settle,
        formula=f"{size_bytes / 1e6:.0f} MB / {rate.name}",
        inputs=(rate,),
    )


def summed(name: str, *parts: Estimate) -> Estimate:
    """Fixed time and time by size, one after the other: the lognormal with the sum's mean and variance.

    A part that is a hundredth of another changes nothing: the larger one is then taken as it is.
    """
    if all(isinstance(part.distribution, Fixed) for part in parts):
        return _added(name, parts)
    largest = max(parts, key=lambda part: part.mean)
    if all(part is largest or part.mean < 0.01 * largest.mean for part in parts):
        return largest
    mean = math.fsum(part.mean for part in parts)
    variance = math.fsum(_variance(part) for part in parts)
    sigma2 = math.log1p(variance / mean**2)
    return Estimate(
        name=name,
        unit="s",
        distribution=Lognormal(math.log(mean) - sigma2 / 2, math.sqrt(sigma2)),
        provenance=Provenance.DERIVED,
        source="; ".join(part.source for part in parts),
        plausible=largest.plausible,
        settle=largest.settle,
        formula=" + ".join(part.name for part in parts),
        inputs=parts,
    )


def _added(name: str, parts: tuple[Estimate, ...]) -> Estimate:
    """Without spread there is nothing to approximate."""
    return Estimate(
        name=name,
        unit="s",
        distribution=Fixed(math.fsum(part.mean for part in parts)),
        provenance=Provenance.DERIVED,
        source="; ".join(part.source for part in parts),
        formula=" + ".join(part.name for part in parts),
        inputs=parts,
    )


def at_rate(name: str, size_bytes: float, rate: Estimate) -> Estimate:
    """Seconds to move ``size_bytes`` at a rate that somebody stated, in bytes a second."""
    return Estimate(
        name=f"{name}: moving it",
        unit="s",
        distribution=Fixed(size_bytes / rate.mean),
        provenance=Provenance.DERIVED,
        source=f"{size_bytes / 1e9:.1f} GB at {rate.mean / 1e6:,.0f} MB/s ({rate.source})",
        formula=f"{size_bytes / 1e6:.0f} MB / {rate.name}",
        inputs=(rate,),
    )


def _variance(part: Estimate) -> float:
    match part.distribution:
        case Lognormal(_, sigma):
            return part.mean**2 * math.expm1(sigma**2)
        case Uniform(low, high):
            return (high - low) ** 2 / 12
        case _:
            return 0.0


def by_size(figures: Figures, fixed_time: str, rate: str, size_bytes: float, what: str) -> Estimate:
    """A duration that is a fixed time and bytes at a rate."""
    return summed(what, figures[fixed_time], transfer_time(f"moving {what}", size_bytes, figures[rate]))


def mirror_bytes_per_s(figures: Figures, rtt_ms: Estimate) -> float:
    """What one mirror takes over one link."""
    return figures["mirror.in-flight"].mean * 1e6 / max(rtt_ms.mean / 1000, 0.001)


def stretch_messages_per_s(figures: Figures, rtt_ms: Estimate) -> float:
    """What one stream takes whose quorum lies a round trip away."""
    return 1 / (1 / figures["stretch.local-rate"].mean + rtt_ms.mean / 1000 / figures["stretch.in-flight"].mean)


def half_round_trip(rtt_ms: Estimate) -> Estimate:
    """One way, in seconds: what a healthy mirror is behind (measured: 0, 11, 39, 98 ms at RTT 0, 20, 80, 200)."""
    return Estimate(
        name=f"one way {rtt_ms.name}",
        unit="s",
        distribution=Fixed(rtt_ms.quantile(0.5) / 2000),
        provenance=Provenance.DERIVED,
        source="a healthy mirror is the one-way delay behind; measured on nats-server 2.15.1, 2026-11",
        formula="round trip / 2",
        inputs=(rtt_ms,),
    )


def lag(figures: Figures) -> Estimate:
    """How far an asynchronous copy is behind when the region goes, beyond the one-way delay. In seconds."""
    share, behind = figures["lag.share"], figures["lag.behind"]
    return maybe("mirror lag at the loss", share, behind)


def maybe(name: str, share: Estimate, then: Estimate) -> Estimate:
    """``then`` with the probability ``share``, else zero."""
    if not isinstance(then.distribution, Fixed | Uniform | Lognormal):
        raise TypeError(f"{then.name} has no plain distribution to be drawn from")
    return Estimate(
        name=name,
        unit=then.unit,
        distribution=Maybe(min(share.mean, 1.0), then.distribution),
        provenance=Provenance.DERIVED,
        source=f"{share.name} × {then.name}",
        formula=f"{then.name} with probability {share.name}, else 0",
        inputs=(share, then),
    )
