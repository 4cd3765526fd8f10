"""Samples of a stream in bounded space."""
