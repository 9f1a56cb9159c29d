"""Documents, tables, charts and reports from typed values; templates compute nothing."""
