"""Partners as they really integrate: their flows, word for word, kept as golden files."""
