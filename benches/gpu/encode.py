"""Measures the tokens per second of a 334M-parameter encoder on a GPU, compared to sentence-transformers.

python benches/gpu/encode.py [--tiny]

The model has the shape of e5-large and random weights in bfloat16. Texts are random words from its vocabulary, 20 to
512 tokens each. With --tiny, a small model runs on any device, to see that the script works.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer

from nvmine.teachers import DenseTeacher

WORDS = 30_000


def save_model(folder: Path, *, tiny: bool) -> None:
    """Saves a BERT with random weights and a tokenizer of whole words."""
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
    vocabulary |= {f"w{number}": number + 4 for number in range(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names).save_pretrained(
        folder
    )
    size = (64, 2, 2, 128) if tiny else (1024, 24, 16, 4096)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=size[0],
        num_hidden_layers=size[1],
        num_attention_heads=size[2],
        intermediate_size=size[3],
    )
    transformers.BertModel(config).to(torch.bfloat16).save_pretrained(folder)


def main() -> None:
    """Prints for each round the tokens per second of both, and the lowest cosine to vectors computed in float32."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tiny", action="store_true")
    tiny = options.parse_args().tiny
    device = "cuda" if torch.cuda.is_available() else "cpu"
    draw = random.Random(0)
    lengths = [min(510, max(18, int(draw.lognormvariate(5.0, 0.7)))) for _ in range(200 if tiny else 40_000)]
    texts = [" ".join(f"w{draw.randrange(WORDS)}" for _ in range(length)) for length in lengths]
    tokens = sum(lengths) + 2 * len(lengths)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), tiny=tiny)
        theirs = SentenceTransformer(folder, device=device, model_kwargs={"dtype": torch.bfloat16})
        ours = DenseTeacher.load(folder, device=device, dtype="bfloat16")
        exact = DenseTeacher.load(folder, device=device, dtype="float32")
        reference = exact.encode_passages(texts[:200])
        theirs.encode(texts[:64])
        ours.encode_passages(texts[:64])
        name = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
        print(f"{len(texts):,} texts, {tokens:,} tokens, on {name}")
        for batch_size in (32, 128):
            start = time.perf_counter()
            theirs.encode(texts, batch_size=batch_size)
            middle = time.perf_counter()
            vectors = ours.encode_passages(texts)
            end = time.perf_counter()
            cosine = np.einsum("ij,ij->i", vectors[:200].astype(np.float64), reference.astype(np.float64)).min()
            print(
                f"sentence-transformers, batches of {batch_size}: {tokens / (middle - start):,.0f} tokens/s"
                f"   nvmine: {tokens / (end - middle):,.0f}   {(middle - start) / (end - middle):.2f} times"
                f"   least cosine to float32 {cosine:.5f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
