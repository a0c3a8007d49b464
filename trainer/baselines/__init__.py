"""References that candidates are compared with."""
