"""The door to Kubernetes: what an API server answers."""
