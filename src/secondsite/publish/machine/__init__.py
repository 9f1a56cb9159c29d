"""For machines: JSON, SARIF and JUnit, whose fields are added and never renamed."""
