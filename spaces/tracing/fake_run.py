"""Runs on fake tensors: shapes without values, and no log lines of torch's about what does not fit."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# torch offers fake tensors under no public name yet; torch.export itself is built on this one.
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

DEPENDENCE_ON_VALUES = (DataDependentOutputException, DynamicOutputShapeException)
"""Errors of operations whose results cannot be told from shapes."""


@contextmanager
def fake_tensors() -> Iterator[FakeTensorMode]:
    """Yield a mode in which tensors have shapes alone; real tensors may meet them.

    torch writes a traceback to its log where shapes do not fit, beside the error that it raises. The error is told in
    words by whoever catches it, so the log is silent meanwhile.
    """
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield FakeTensorMode(allow_non_fake_inputs=True)
    finally:
        logger.setLevel(level)


def describe_dependence(error: Exception) -> str:
    """Say in words which operation raised one of :data:`DEPENDENCE_ON_VALUES`."""
    operation = str(error).removeprefix("aten.").partition(".")[0].strip("_")
    return f"the form of what {operation} gives depends on the values of a tensor"
