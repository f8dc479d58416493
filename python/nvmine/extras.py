"""Optional dependencies: imports them on use, and names the extra to install if one is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from nvmine.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Imports and returns a module.

    Raises
    ------
    MissingExtraError
        The module cannot be imported; the message has the reason and the command that installs the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{module} cannot be imported ({error}): pip install 'nvmine[{extra}]'") from error
