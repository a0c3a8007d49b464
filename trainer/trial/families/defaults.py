"""Default settings of families' training, for study files too, which train nothing."""

SPARSITY = 1e-3
"""Strength of LOMT's group sparsity: the upper end of the authors' grid for λ."""
