"""The partner API over Flask's test client, on a real database and key-value store."""
