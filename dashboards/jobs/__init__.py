"""Slow work behind the pages."""
