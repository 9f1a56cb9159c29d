"""What is deployed for a strategy, as files: configurations, streams, Kubernetes parts and how to apply them."""
