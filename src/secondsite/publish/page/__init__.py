"""HTML for people who would rather look: one file, no request leaves it."""
