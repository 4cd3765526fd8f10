"""What routing earns, and whether its judgements from the log hold."""
