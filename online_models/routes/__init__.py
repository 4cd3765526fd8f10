"""Routing: policies, what arms earn, editions of shares, judging from the log."""
