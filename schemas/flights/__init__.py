"""Departures from New York in 2013; the default domain."""
