"""What the pages and documents show, decided from typed values before any markup."""
