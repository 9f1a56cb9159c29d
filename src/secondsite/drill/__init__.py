"""Drills: load on real processes, faults, and the counting of what the clients were promised and got."""
