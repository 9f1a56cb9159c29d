"""Which services run where."""
