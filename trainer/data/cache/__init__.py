"""Data sets kept as decoded arrays."""
