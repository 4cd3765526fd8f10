"""The demo: a replay of real events through a whole stack, watched, and reported."""
