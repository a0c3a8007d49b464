"""Trial of a study, from its specification to its result."""
