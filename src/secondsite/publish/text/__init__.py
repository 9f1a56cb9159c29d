"""Formats: Markdown, Mermaid, YAML, figures as text, and the templates that print them."""
