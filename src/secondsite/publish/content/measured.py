"""What was measured of a contract, as the documents say it, with the mark that leads to its evidence."""

from __future__ import annotations

from secondsite.model.measurement import Measurement
from secondsite.publish.content.measured_words import rpo_words, rto_words
from secondsite.publish.content.sources import Sources
from secondsite.publish.text.markdown import Md
from secondsite.publish.text.nonbreaking import duration


def measured_text(one: Measurement, *, whole: bool = True) -> Md:
    """``RTO 2 min 58 s, RPO 0 messages``, worst of the runs."""
    return Md(", ".join(filter(None, (rto_words(one, duration, whole=whole), rpo_words(one, duration, whole=whole)))))


def versions_text(one: Measurement) -> str:
    """``nats-server 2.15.1``: servers of one version are told once."""
    versions: dict[str, list[str]] = {}
    for name, version in sorted(one.versions.items()):
        versions.setdefault(version, []).append(name)
    return ", ".join(
        f"{'nats-server' if all(name.startswith('nats') for name in names) else ' and '.join(names)} {version}"
        for version, names in versions.items()
    )


def evidence_mark(one: Measurement, sources: Sources) -> Md:
    """Names the drill, its date and the versions."""
    runs = f"{one.runs} run{'s' if one.runs != 1 else ''}"
    when = f"{one.profile}, {one.at[:10]}, {runs}, seed {one.seed}"
    origin = f"{one.scope}: drill {one.drill} of {one.strategy}, {when}; {versions_text(one)}; evidence {one.evidence}"
    why = f"; {one.why}" if one.why else ""
    return sources.stated(f"{one.about}/{one.fault}", measured_text(one), f"{origin}{why}", "m")
