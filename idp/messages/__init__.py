"""Mail (and later text): templates in the message catalogue, senders behind a port."""
