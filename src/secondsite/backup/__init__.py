"""Backups of streams with their messages and consumers, and restores that are proven (see docs/adr/0004)."""
