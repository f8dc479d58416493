"""Opens teachers by name: ``bm25``, ``random``, or the name or path of an encoder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nvmine.errors import TeacherError
from nvmine.teachers.bm25 import Bm25Teacher
from nvmine.teachers.dense import DenseTeacher
from nvmine.teachers.random import RandomTeacher

NamedTeacher = Bm25Teacher | DenseTeacher | RandomTeacher


def open_teacher(name: str, **options: Any) -> NamedTeacher:
    """Returns the teacher with this name.

    Parameters
    ----------
    name
        "bm25", "random", or anything that :meth:`DenseTeacher.load` accepts.
    options
        Options of :class:`Bm25Teacher`, :class:`RandomTeacher` or :meth:`DenseTeacher.load`. None means the default.

    Raises
    ------
    TeacherError
        The model cannot be loaded, or an option belongs to another kind of teacher.
    """
    return open_teachers([name], **options)[0]


def open_teachers(names: Sequence[str], **options: Any) -> list[NamedTeacher]:
    """Returns the teachers with these names; each gets the options that its kind has.

    Raises
    ------
    TeacherError
        A model cannot be loaded, or an option belongs to none of these teachers.
    """
    given = {option: value for option, value in options.items() if value is not None and value is not False}
    makers = [_maker(name) for name in names]
    accepted = [inspect.signature(make).parameters for make in makers]
    for option in given:
        if not any(option in parameters for parameters in accepted):
            raise TeacherError(
                f"belongs to another kind of teacher than {', '.join(names) or 'the ones from files'}", argument=option
            )
    return [
        make(**{option: value for option, value in given.items() if option in parameters})
        for make, parameters in zip(makers, accepted, strict=True)
    ]


def _maker(name: str) -> Callable[..., NamedTeacher]:
    by_name: dict[str, Callable[..., NamedTeacher]] = {"bm25": Bm25Teacher, "random": RandomTeacher}
    return by_name.get(name) or partial(DenseTeacher.load, name)
