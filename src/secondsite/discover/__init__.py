"""Manifests and what live servers said -> System, with a mark on every value."""
