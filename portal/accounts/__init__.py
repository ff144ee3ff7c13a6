"""People: accounts, log-in, and user groups."""
