"""A miniature world of real processes on loopback: regions, servers, names, links between them, clients' services."""
