"""Negative controls of the drills about databases and secrets: what each is there to find, done wrong on purpose."""

from __future__ import annotations

from secondsite.drill.faults import (
    database_killed,
    half_migrated,
    long_report,
    missing_secret,
    slot_gone,
    split_brain,
    vectors_lost,
)

BROKEN = (
    (
        "split-brain-unfenced",
        "the standby is promoted beside a primary that nobody fences",
        split_brain.DRILL,
        split_brain.unfenced,
    ),
    (
        "database-without-volume",
        "a database starts again without its files",
        database_killed.DRILL,
        database_killed.without_volume,
    ),
    (
        "migration-that-demands-first",
        "the first half of a migration refuses clients that do not know it",
        half_migrated.DRILL,
        half_migrated.demanding,
    ),
    (
        "replication-slot-gone",
        "the slot of a database's standby is gone, and nobody makes it again",
        slot_gone.DRILL,
        slot_gone.unseen,
    ),
    (
        "report-without-replication",
        "beside a long report the standby receives nothing",
        long_report.DRILL,
        long_report.not_received,
    ),
    (
        "missing-secret-allowed",
        "a secret is missing, and the guard is lifted",
        missing_secret.DRILL,
        missing_secret.uncompared,
    ),
    (
        "snapshots-cut-off",
        "the snapshots of a vector store are cut off in the object store, and the standby has loaded none",
        vectors_lost.DRILL,
        vectors_lost.truncated,
    ),
)
