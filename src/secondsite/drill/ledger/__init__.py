"""What the clients were promised and what was there in the end: files of fixed records, and columns made of them."""
