"""Root of every error that gatefront raises on purpose, and the errors of this layer."""


class GatefrontError(Exception):
    """Error that a person can act on.

    ``message`` names the argument, the rule and the value found. ``hint`` names a remedy. A subclass that also derives
    from ``ValueError`` means that the input was wrong. Any other means that the work failed.
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
"""Errors of modules, data sets and exporters outside gatefront, raised when they are wrong or do not fit."""


def hint_for_missing_module(error: ModuleNotFoundError) -> str:
    """Return a hint for a missing module that a user's code imports."""
    if (error.name or "").partition(".")[0] in ("spaces", "trainer", "search", "dashboards"):
        return f"Import gatefront.{error.name}: gatefront's packages are imported below gatefront."
    return "Install its package (pip install -e FOLDER), or set PYTHONPATH to the folder that holds it."


class DocumentError(GatefrontError, ValueError):
    """Error of a JSON document that does not hold the expected record."""


class SpaceError(GatefrontError, ValueError):
    """Error of a network that cannot be described, built or pruned as asked."""


class UnknownBackboneError(SpaceError):
    """Error of a backbone name that neither gatefront nor timm has."""


class UntraceableBackboneError(SpaceError):
    """Error of a backbone that torch.fx cannot turn into a graph, so that it cannot be lifted."""


class BudgetBelowFloorError(SpaceError):
    """Error of a budget under the cost of sharing everything, which no gate pattern can meet."""
