"""Cached views of a study that are updated instead of read anew."""
