"""The endpoint beside other servers that do the same work."""
