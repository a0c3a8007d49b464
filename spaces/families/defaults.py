"""Default settings of families, for study files too, which know no networks."""

GAMMA = 0.5
"""Fraction of every layer that ETR-NLP shares. The paper's values are not known to us."""
