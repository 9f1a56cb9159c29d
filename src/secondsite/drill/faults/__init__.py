"""One module for each drill: what happens, in which order, and what it is there to show."""
