"""What a drill leaves behind: manifest, timeline, journal and raw data in a folder under a hash chain."""
