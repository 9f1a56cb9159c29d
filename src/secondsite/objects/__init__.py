"""The door to object stores: S3 and what speaks like it, Google, Azure, and folders."""
