"""The root of every error gatefront raises on purpose, and the errors of this layer."""


class GatefrontError(Exception):
    """An error that a person can act on.

    ``message`` names the argument, the rule and the value found; ``hint`` is the way out. A subclass
    that also derives from ``ValueError`` says that the input was wrong; any other says that the work failed.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        # The default would pass `hint` by position, which the keyword-only signature refuses.
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[GatefrontError], message: str, hint: str) -> GatefrontError:
    return kind(message, hint=hint)


ERRORS_OF_FOREIGN_CODE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors of modules, data sets and exporters that are not ours when they are wrong or do not fit."""


def hint_for_missing_module(error: ModuleNotFoundError) -> str:
    """Say what to do about a module that a user's code imports and that is not there."""
    if (error.name or "").partition(".")[0] in ("spaces", "trainer", "search", "dashboards"):
        return f"Import gatefront.{error.name}: gatefront's packages are imported below gatefront."
    return "Install its package (pip install -e FOLDER), or set PYTHONPATH to the folder that holds it."


class DocumentError(GatefrontError, ValueError):
    """A JSON document that does not hold the record it should."""


class SpaceError(GatefrontError, ValueError):
    """A network that cannot be described, built or pruned as asked."""


class UnknownBackboneError(SpaceError):
    """The study names a backbone that neither gatefront nor timm has."""


class UntraceableBackboneError(SpaceError):
    """torch.fx cannot turn the backbone into a graph, so it cannot be lifted."""


class BudgetBelowFloorError(SpaceError):
    """The FLOP budget is under the cost of sharing everything: no gate pattern can meet it."""
