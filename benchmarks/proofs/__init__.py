"""Proofs over the log: parity of served vectors, and that none knows the future."""
