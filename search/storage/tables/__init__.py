"""The tables, with one module per group of queries."""
