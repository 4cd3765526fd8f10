"""The open-loop load generator: what it is told, what it sends, what it measures."""
