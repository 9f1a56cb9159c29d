"""Who notices, who decides, and how clients are moved."""
