"""The runbook: procedures as a person carries them out."""
