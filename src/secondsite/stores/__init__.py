"""The door to databases: what they are, where they stand, and what a failover does to them."""
