"""How streams get to another region, and how they become writable there."""
