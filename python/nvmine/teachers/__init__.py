"""Teachers: texts in, vectors or scores out.

Importing this package loads no model library; each teacher imports what it needs when it is made.
"""

from nvmine.judges.chat import ChatJudge
from nvmine.judges.judge import CallableJudge, Judge, OnRelevant, Question, Verdict
from nvmine.teachers.bm25 import Bm25Index, Bm25Teacher
from nvmine.teachers.callables import Encoder, PairScorer
from nvmine.teachers.cross_encoder import CrossEncoderTeacher
from nvmine.teachers.dense import DenseTeacher
from nvmine.teachers.open import open_teacher, open_teachers
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
    "OnRelevant",
    "PairScorer",
    "Question",
    "RandomTeacher",
    "RankedTeacher",
    "VectorsTeacher",
    "Verdict",
    "open_teacher",
    "open_teachers",
]
