"""The C++ compiler that torch.compile writes its code for."""

import os
import shutil
import sys


def missing_compiler() -> str | None:
    """Why torch.compile cannot work here; None where there is a compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"torch.compile needs a C++ compiler, and there is no {compiler}; name one in CXX"
    return None
