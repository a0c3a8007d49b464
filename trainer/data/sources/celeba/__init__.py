"""`celeba`: CelebA's faces with 40 yes-or-no attributes, as tasks of one attribute or of a group of them."""

from gatefront.trainer.data.sources.celeba.source import describe, load

__all__ = ["describe", "load"]
