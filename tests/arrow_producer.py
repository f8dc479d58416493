"""Arrow columns made by hand: a producer of the C data interface in ctypes, which may also lie.

What it hands out is overwritten when the consumer releases it, so that whoever still reads it is found out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p, py_object
from typing import Any

import numpy as np

Release = CFUNCTYPE(None, c_void_p)


class CSchema(ctypes.Structure):
    """``struct ArrowSchema``."""


class CArray(ctypes.Structure):
    """``struct ArrowArray``."""


class CStream(ctypes.Structure):
    """``struct ArrowArrayStream``."""


CSchema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(CSchema))),
    ("dictionary", c_void_p),
    ("release", Release),
    ("private_data", c_void_p),
]
CArray._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(CArray))),
    ("dictionary", c_void_p),
    ("release", Release),
    ("private_data", c_void_p),
]
CStream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, c_void_p, POINTER(CSchema))),
    ("get_next", CFUNCTYPE(c_int, c_void_p, POINTER(CArray))),
    ("get_last_error", CFUNCTYPE(c_void_p, c_void_p)),
    ("release", Release),
    ("private_data", c_void_p),
]

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = py_object, [c_void_p, c_char_p, c_void_p]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = c_void_p, [py_object, c_char_p]


class Made:
    """An array and its type, both in plain sight; the fields of the structures can be set to anything."""

    def __init__(
        self,
        kind: str,
        length: int,
        buffers: Sequence[np.ndarray[Any, Any] | None],
        children: Sequence[Made] = (),
        *,
        offset: int = 0,
    ) -> None:
        self.buffers, self.children = list(buffers), list(children)
        self.releases = 0
        self._kept: list[Any] = [kind.encode()]
        self.release = Release(self._released)
        self.schema = CSchema(
            self._kept[0], b"", None, 2, len(children), self._pointers(CSchema, [made.schema for made in children])
        )
        self.schema.release = Release(lambda _: None)
        self.array = CArray(
            length,
            -1 if self.buffers and self.buffers[0] is not None else 0,
            offset,
            len(buffers),
            len(children),
            (c_void_p * len(buffers))(*[None if buffer is None else buffer.ctypes.data for buffer in buffers]),
            self._pointers(CArray, [made.array for made in children]),
        )
        self.array.release = self.release

    def _pointers(self, kind: Any, structures: list[Any]) -> Any:
        array = (POINTER(kind) * len(structures))(*map(ctypes.pointer, structures))
        self._kept.append(array)
        return array

    def _released(self, array: int) -> None:
        self.releases += 1
        CArray.from_address(array).release = Release()
        self.spoil()

    def spoil(self) -> None:
        """Overwrites the memory."""
        for buffer in self.buffers:
            if buffer is not None:
                buffer.view(np.uint8)[:] = 0xFF
        for child in self.children:
            child.spoil()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return capsule(self.schema, b"arrow_schema"), capsule(self.array, b"arrow_array")


class Streamed:
    """Arrays as a stream, which fails after them where there is a message to fail with."""

    def __init__(self, arrays: Sequence[Made], error: bytes | None = None, *, kind: Made | None = None) -> None:
        self.left, self.error = list(arrays), error
        self.kind = (kind or arrays[0]).schema
        text = None if error is None else ctypes.create_string_buffer(error)
        self._kept = text
        self.stream = CStream(
            CStream._fields_[0][1](self._schema),
            CStream._fields_[1][1](self._next),
            CStream._fields_[2][1](lambda _: None if text is None else ctypes.addressof(text)),
            Release(self._released),
        )

    def _schema(self, _: int, out: Any) -> int:
        ctypes.memmove(out, ctypes.byref(self.kind), ctypes.sizeof(CSchema))
        return 0

    def _next(self, _: int, out: Any) -> int:
        if self.left:
            ctypes.memmove(out, ctypes.byref(self.left.pop(0).array), ctypes.sizeof(CArray))
        return 0 if self.left or self.error is None else 5

    def _released(self, stream: int) -> None:
        CStream.from_address(stream).release = Release()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return capsule(self.stream, b"arrow_array_stream")


def capsule(structure: Any, name: bytes) -> Any:
    """A capsule around a structure, which somebody else keeps alive."""
    return _new_capsule(ctypes.addressof(structure), ctypes.c_char_p(name), None)


def values_address(column: Any, width: int, layout: Any) -> int:
    """Where the first value of a column of one chunk lies, by what it hands out.

    `width` is that of a value in bytes, `layout` None for values, the length of lists of a fixed size, or the type of
    other lists' offsets.
    """
    if not hasattr(column, "__arrow_c_stream__"):
        held = column.__arrow_c_array__()
        return _first_value(CArray.from_address(_capsule_pointer(held[1], b"arrow_array")), width, layout)
    held = column.__arrow_c_stream__()
    stream = CStream.from_address(_capsule_pointer(held, b"arrow_array_stream"))
    array = CArray()
    assert stream.get_next(ctypes.addressof(stream), ctypes.byref(array)) == 0
    try:
        return _first_value(array, width, layout)
    finally:
        array.release(ctypes.addressof(array))


def _first_value(array: CArray, width: int, layout: Any) -> int:
    if layout is None:
        return array.buffers[1] + array.offset * width
    if isinstance(layout, int):
        first = array.offset * layout
    else:
        first = layout.from_address(array.buffers[1] + array.offset * ctypes.sizeof(layout)).value
    values = array.children[0].contents
    return values.buffers[1] + (values.offset + first) * width
