"""Proofs over the log: parity of served vectors."""
