"""Optional dependencies, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from nvmine.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`.

    Raises
    ------
    MissingExtraError
        It cannot be imported; the message gives the reason and the command that installs `extra`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{module} cannot be imported ({error}): pip install 'nvmine[{extra}]'") from error
