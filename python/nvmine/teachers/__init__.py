"""Teachers: anything that scores passages for queries, from texts, vectors or ranked lists.

Importing this package loads no model library; each teacher imports what it needs when it is made. Judges are documented
in :mod:`nvmine.judges`; their names can be imported from here too.
"""

from nvmine.judges import CallableJudge, ChatJudge, Judge, OnRelevant, Question, Verdict
from nvmine.teachers.bm25 import Bm25Index, Bm25Teacher
from nvmine.teachers.callables import Encoder, PairScorer
from nvmine.teachers.cross_encoder import CrossEncoderTeacher
from nvmine.teachers.dense import DenseTeacher
from nvmine.teachers.open import open_teacher, open_teachers
from nvmine.teachers.protocols import ListSource, Rescorer, RowScorer, Teacher, TextEncoder, TextIndexer, VectorSource
from nvmine.teachers.random import RandomTeacher
from nvmine.teachers.ranked import RankedTeacher
from nvmine.teachers.vectors import VectorsTeacher

__all__ = [
    "Bm25Index",
    "Bm25Teacher",
    "CallableJudge",
    "ChatJudge",
    "CrossEncoderTeacher",
    "DenseTeacher",
    "Encoder",
    "Judge",
    "ListSource",
    "OnRelevant",
    "PairScorer",
    "Question",
    "RandomTeacher",
    "RankedTeacher",
    "Rescorer",
    "RowScorer",
    "Teacher",
    "TextEncoder",
    "TextIndexer",
    "VectorSource",
    "VectorsTeacher",
    "Verdict",
    "open_teacher",
    "open_teachers",
]
