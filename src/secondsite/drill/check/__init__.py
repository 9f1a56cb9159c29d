"""Pure checks over ledgers and final reads: fates, copies, keys, writers, RTO, RPO."""
