"""Prices, round-trip times, failure rates and durations: data files with their sources."""
