"""Conversion of a module to an annotated graph."""
