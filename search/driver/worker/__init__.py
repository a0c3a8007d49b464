"""Code that runs inside a worker, for one trial."""
