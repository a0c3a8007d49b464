"""Trials of the other families of networks."""
