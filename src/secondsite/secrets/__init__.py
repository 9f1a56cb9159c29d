"""The door to secrets: whether two places hold the same ones, told by fingerprints; no value leaves this package."""
