"""Errors as the command line shows them: options in the place of arguments."""

from __future__ import annotations

import re
from typing import Any

import typer

from nvmine.cli.app import app
from nvmine.errors import NvmineError, TeacherError, quote

# Arguments of the library that have an option of another name, by the kind of error.
_OTHER_NAMES: dict[tuple[type[NvmineError], str], str] = {
    (TeacherError, "method"): "--bm25-method",
    (TeacherError, "api_key"): "--api-key-env",
}

_REPLACED = re.compile(
    r"""
    # An assignment such as on_missing='skip', but not inside a path.
    (?<![\w./-]) (?P<name>[a-z]\w*) = (?: '(?P<quoted>[\w.-]+)' | (?P<bare>\w+(?:\.\w+)*) )? (?![\w/=])
    # Quoted text is the user's own and stays as it is.
    | (?<!\w) '(?:[^'\\]|\\.)*' (?!\w)
    | (?<!\w) "(?:[^"\\]|\\.)*" (?!\w)
    """,
    re.VERBOSE,
)


def in_options(error: NvmineError) -> str:
    """Returns the text of an error in which options of the command line replace arguments of the library.

    ``argument 'passage_column'`` becomes ``--passage-column``, and advice such as ``on_missing='skip'`` becomes
    ``--on-missing skip``. Quoted text, paths and names that are no options stay as they are.
    """
    parameters = _parameters()
    options = {
        name: next((option for option in parameter.opts if option.startswith("--")), name.upper())
        for name, parameter in parameters.items()
    }
    flags = {name for name, parameter in parameters.items() if getattr(parameter, "is_flag", False)}

    def shown(name: str) -> str | None:
        return _OTHER_NAMES.get((type(error), name), options.get(name))

    def replaced(match: re.Match[str]) -> str:
        name = None if match["name"] is None else shown(match["name"])
        if name is None:
            return match[0]
        value = match["quoted"] or match["bare"]
        return name if match["name"] in flags and value == "True" else " ".join(filter(None, [name, value]))

    text = str(error)
    place = text.removesuffix(error.message)
    if error.argument is not None and (name := shown(error.argument)) is not None:
        place = place.replace(f"argument {quote(error.argument)}", name, 1)
    return place + _REPLACED.sub(replaced, error.message)


def _parameters() -> dict[str, Any]:
    """Returns the parameters of all commands by name."""
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    return {parameter.name: parameter for command in commands for parameter in command.params}
