"""One module per document: what it shows, decided from typed values; its template only prints it."""
