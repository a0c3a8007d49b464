"""Who changes are recorded under where nobody is known by name."""

ACTOR = "dashboard"
"""A service that knows its callers puts their names in its place."""
