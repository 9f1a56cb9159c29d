"""The door to NATS servers: JetStream API and monitoring endpoint."""
