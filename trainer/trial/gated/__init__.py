"""Trials of gated networks."""
