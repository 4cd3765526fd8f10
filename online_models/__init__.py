"""Pure algorithms that take one event at a time: no I/O, clocks, threads or global randomness."""
