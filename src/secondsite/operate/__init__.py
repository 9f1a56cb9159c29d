"""Carries out a Procedure: plan, guards, a write-ahead journal, and one executor for each verb."""
