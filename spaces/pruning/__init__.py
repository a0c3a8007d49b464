"""Conversion of a gated network to a plain one."""
