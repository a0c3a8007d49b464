"""Consistent read-only views of studies."""
