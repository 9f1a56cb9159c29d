"""The door to DNS: what servers answer."""
