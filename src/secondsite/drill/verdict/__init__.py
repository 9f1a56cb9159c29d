"""From evidence to verdicts: one run, many runs, every contract, and the figures an evaluation learns from."""
