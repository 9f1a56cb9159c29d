"""Rules over a System or a Deployment -> Hazards. Pure. Start at `registry.audit`."""
