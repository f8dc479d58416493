"""Opens teachers by name or from files, and decides which options belong to which kind of teacher.

A name is ``bm25``, ``random``, or the name or path of an encoder. Teachers from files are called ``vectors`` and
``ranked``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nvmine.errors import DataError, TeacherError
from nvmine.teachers.bm25 import Bm25Teacher
from nvmine.teachers.cross_encoder import CrossEncoderTeacher
from nvmine.teachers.dense import DenseTeacher
from nvmine.teachers.random import RandomTeacher
from nvmine.teachers.ranked import RankedTeacher
from nvmine.teachers.vectors import VectorsTeacher

NamedTeacher = Bm25Teacher | DenseTeacher | RandomTeacher
FileTeacher = RankedTeacher | VectorsTeacher

_BY_NAME: dict[str, Callable[..., NamedTeacher]] = {"bm25": Bm25Teacher, "random": RandomTeacher}


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
    return _BY_NAME.get(name) or partial(DenseTeacher.load, name)


def open_from_files(
    *,
    query_vectors: Path | None = None,
    passage_vectors: Path | None = None,
    similarity: Literal["cosine", "dot"] | None = None,
    candidates: Path | None = None,
    passage_column: str | None = None,
    score_column: str | None = None,
) -> dict[str, FileTeacher]:
    """Opens the teachers whose files are given: "vectors" from two files of vectors, "ranked" from ranked lists.

    See :meth:`VectorsTeacher.open` and :meth:`RankedTeacher.open` for the parameters and errors.

    Raises
    ------
    DataError
        Only one of the two files of vectors is given.
    TeacherError
        `similarity` is given without vectors.
    """
    opened: dict[str, FileTeacher] = {}
    if query_vectors is not None and passage_vectors is not None:
        opened["vectors"] = VectorsTeacher.open(
            queries=query_vectors, passages=passage_vectors, similarity=similarity or "cosine"
        )
    elif query_vectors is not None or passage_vectors is not None:
        raise DataError("query_vectors= and passage_vectors= belong together; give both")
    elif similarity is not None:
        raise TeacherError("is for vectors from files, and none are given", argument="similarity")
    if candidates is not None:
        opened["ranked"] = RankedTeacher.open(candidates, passage_column=passage_column, score_column=score_column)
    return opened


def teacher_names(names: Sequence[str] | None, from_files: Mapping[str, FileTeacher]) -> list[str]:
    """Returns the names of the teachers to open. Without names, these are the teachers from files, or else BM25.

    Raises
    ------
    TeacherError
        Names are given, but a teacher from files is not among them.
    """
    chosen = list(names or from_files or ["bm25"])
    for name in from_files:
        if name not in chosen:
            raise TeacherError(
                f"the files of {name!r} are given, but it is not one of the teachers; add teacher={name!r}"
            )
    return chosen


class OpenedTeachers(NamedTuple):
    """Teachers in the order of their names, and the rescorer, if any."""

    teachers: list[NamedTeacher | FileTeacher]
    rescorer: CrossEncoderTeacher | None


def open_with_rescorer(
    names: Sequence[str],
    from_files: Mapping[str, FileTeacher],
    *,
    rescorer: str | None,
    seed: int,
    device: str | None = None,
    dtype: Literal["auto", "float32", "float16", "bfloat16"] | None = None,
    batch_tokens: int | None = None,
    trust_remote_code: bool = False,
    bm25_method: str | None = None,
    **options: Any,
) -> OpenedTeachers:
    """Opens teachers and the rescorer of their candidates, each with the options that its kind takes.

    Parameters
    ----------
    names
        The names of the teachers; a name in `from_files` is that teacher.
    from_files
        The teachers from files.
    rescorer
        The name or path of a cross-encoder. None: there is none.
    seed
        The seed of the random teacher.
    device, dtype, batch_tokens, trust_remote_code
        How to load models: the encoders among the teachers, and the rescorer.
    bm25_method
        The `method` of :class:`Bm25Teacher`; a policy has a `method`, too.
    options
        Further options of the teachers, see :func:`open_teacher`.

    Raises
    ------
    TeacherError
        A model cannot be loaded, or an option is for none of these teachers.
    """
    loading: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "batch_tokens": batch_tokens,
        "trust_remote_code": trust_remote_code,
    }
    scorer = None
    if rescorer is not None:
        scorer = CrossEncoderTeacher.load(rescorer, **{name: value for name, value in loading.items() if value})
    # A random teacher has the seed of the policy, not one of its own.
    by_name = [name for name in names if name not in from_files and name != "random"]
    if all(name in _BY_NAME for name in by_name):
        # No teacher loads a model. These options then concern the rescorer, and the device the search by given vectors.
        if scorer is not None:
            loading = {}
        elif "vectors" in from_files:
            loading["device"] = None
    opened = iter(open_teachers(by_name, method=bm25_method, **loading, **options))
    teachers = [
        from_files[name] if name in from_files else RandomTeacher(seed=seed) if name == "random" else next(opened)
        for name in names
    ]
    return OpenedTeachers(teachers, scorer)
