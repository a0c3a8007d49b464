"""Resolution of a study file against its data and networks."""
