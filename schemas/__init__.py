"""Contracts: one folder a domain with its Avro schemas and its declaration; the Avro codec."""
