"""Simulated card payments with planted fraud and drift, to check the parts against the truth."""
