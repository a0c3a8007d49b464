"""Reading of one variable of a MATLAB file, with structs as dictionaries."""

import zlib
from pathlib import Path
from typing import Any

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from gatefront.trainer.data.dataset import DataError

# Errors of scipy for files that are truncated or no MATLAB files at all. For files of MATLAB 7.3, which are HDF5,
# it is NotImplementedError.
_FAULTS = (OSError, ValueError, TypeError, LookupError, NotImplementedError, MatReadError, zlib.error)


def read_matlab(path: Path, variable: str) -> Any:
    """Return the variable, with structs as dictionaries and struct arrays of one entry as that entry.

    Raises:
        DataError: the file cannot be read or has no such variable.
    """
    try:
        contents = loadmat(path, variable_names=[variable], simplify_cells=True)
    except _FAULTS as error:
        raise DataError(f"{path} cannot be read as a MATLAB file: {str(error).rstrip('.')}.") from error
    if variable not in contents:
        raise DataError(
            f"{path} has no variable {variable!r}.", hint="This looks like another layout of the same data set."
        )
    return contents[variable]
