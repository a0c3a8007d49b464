"""Study files and the environment, as typed and checked settings."""
