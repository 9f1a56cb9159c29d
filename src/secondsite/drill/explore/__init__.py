"""Search for a schedule of faults under which a law of a failover or a failback breaks."""
