"""A teacher by its name: ``bm25``, or else an encoder's name or path."""

from __future__ import annotations

from typing import Any

from nvmine.errors import TeacherError
from nvmine.teachers.bm25 import Bm25Teacher
from nvmine.teachers.dense import DenseTeacher


def open_teacher(name: str, **options: Any) -> Bm25Teacher | DenseTeacher:
    """The teacher of this name.

    Parameters
    ----------
    name
        "bm25", or what :meth:`DenseTeacher.load` takes.
    options
        Of :meth:`DenseTeacher.load`; None leaves a default.

    Raises
    ------
    TeacherError
        The model cannot be loaded, or an option of encoders is given for BM25.
    """
    given = {option: value for option, value in options.items() if value is not None and value is not False}
    if name != "bm25":
        return DenseTeacher.load(name, **given)
    if given:
        raise TeacherError(f"is for encoders; the teacher is {name}", column=next(iter(given)))
    return Bm25Teacher()
