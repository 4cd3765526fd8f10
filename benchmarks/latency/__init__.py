"""Latency of an endpoint: runs, the search for the highest rate, results and their picture."""
