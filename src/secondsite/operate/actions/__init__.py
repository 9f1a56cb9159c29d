"""One module for each family of verbs."""
