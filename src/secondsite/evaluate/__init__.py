"""Simulate, price, latency, complexity, recommend. Pure: the seed is handed in."""
