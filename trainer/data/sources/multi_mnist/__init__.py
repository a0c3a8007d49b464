"""`multi-mnist`: two overlapping handwritten digits, composed of MNIST or of a set in its format."""

from gatefront.trainer.data.sources.multi_mnist.source import describe, load

__all__ = ["describe", "load"]
