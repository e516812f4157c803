"""Flows over HTTP, from a partner's token to a payer's page, through the whole application of a wired hub."""
