"""The tables, one module per group of queries."""
