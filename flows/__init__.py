"""Bytewax dataflows, one file a flow: wiring, sources and sinks."""
