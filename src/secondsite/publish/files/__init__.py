"""Folders and files that were published: what would change, what a team wrote in them."""
