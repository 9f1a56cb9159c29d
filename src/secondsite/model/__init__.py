"""The nouns: frozen, without I/O. One file per noun; import the noun from its own module."""
