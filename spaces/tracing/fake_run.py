"""Runs on fake tensors, which have shapes but no values, without torch's log lines about shapes that do not fit."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# torch offers fake tensors under no public name yet; torch.export itself is built on this one.
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

DEPENDENCE_ON_VALUES = (DataDependentOutputException, DynamicOutputShapeException)
"""Errors of operations whose results cannot be derived from shapes."""


@contextmanager
def fake_tensors() -> Iterator[FakeTensorMode]:
    """Yield a mode in which tensors have only shapes. Real tensors may be combined with them.

    If shapes do not fit, torch writes a traceback to its log beside the error that it raises. The caller reports this
    error, so the log is silent meanwhile.
    """
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield FakeTensorMode(allow_non_fake_inputs=True)
    finally:
        logger.setLevel(level)


def describe_dependence(error: Exception) -> str:
    """Describe in words which operation raised one of :data:`DEPENDENCE_ON_VALUES`."""
    operation = str(error).removeprefix("aten.").partition(".")[0].strip("_")
    return f"the form of what {operation} gives depends on the values of a tensor"
