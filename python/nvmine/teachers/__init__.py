"""Teachers: texts in, vectors or scores out.

Importing this package loads no model library; each teacher imports what it needs when it is made.
"""

from nvmine.teachers.bm25 import Bm25Index, Bm25Teacher
from nvmine.teachers.dense import DenseTeacher
from nvmine.teachers.open import open_teacher

__all__ = ["Bm25Index", "Bm25Teacher", "DenseTeacher", "open_teacher"]
