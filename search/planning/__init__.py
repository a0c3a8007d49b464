"""A study file resolved against its data and networks."""
