"""secondsite: if we lose a region, do we get the service and the data back in the time we promised?"""

__version__ = "0.1.0"
