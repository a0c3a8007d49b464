"""From a module to an annotated graph."""
