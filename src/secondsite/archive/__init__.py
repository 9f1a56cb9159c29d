"""What is new of every stream, shipped on and on to an object store in sealed segments; any moment comes back."""
