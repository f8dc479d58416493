"""Readers of text collections: every format becomes one :class:`Dataset`."""

from nvmine.data.dataset import Dataset
from nvmine.data.identity import identity_classes, self_passages
from nvmine.data.open import open_dataset
from nvmine.data.vectors import Vectors

__all__ = ["Dataset", "Vectors", "identity_classes", "open_dataset", "self_passages"]
