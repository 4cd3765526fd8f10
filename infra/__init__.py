"""Settings, connections, metrics and the embedded stack; knows nothing of any domain."""
