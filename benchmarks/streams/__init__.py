"""Throughput of the flows, from broker to sink."""
