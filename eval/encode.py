"""Text -> token files: BOS and the tokens of each document, all cores, in the order of the documents."""

import os
from pathlib import Path

import numpy as np

from eval import tokenizer
from eval.crew import hands, spread
from eval.store import Batches, Documents

PRIVATE = ("val.bin", "sealed.bin", "audit.bin")  # mode 0600; the sandbox keeps candidates out, this keeps other users out


class Encode:
    """A job of `eval.crew`: the token file's bytes of the documents that were saved as `name`."""

    def __init__(self, folder: Path, name: str, vocabulary: str, dtype: str):
        self.batches, self.dtype = Batches(folder, name), np.dtype(dtype)
        self.encoding = tokenizer.load(Path(vocabulary))
        self.bos = np.array([self.encoding.n_vocab - 1], dtype=self.dtype)

    def __call__(self, task: int) -> bytes:
        parts = []
        for text in self.batches.texts(task):
            parts += [self.bos, *(ids.astype(self.dtype) for ids in tokenizer.ids(self.encoding, text))]
        return np.concatenate(parts).tobytes()


def write_split(path: Path, documents: Documents, numbers: np.ndarray, dtype: np.dtype) -> dict:
    """Writes the documents `numbers` with the tokenizer beside `path`. -> {"tokens" (with BOS), "bytes" (UTF-8), "documents"}."""
    total, written = int(documents.sizes[numbers].sum()), 0
    arguments = {"name": path.stem, "vocabulary": str(path.with_name("tokenizer.tiktoken")), "dtype": dtype.str}
    tasks = documents.save(path.stem, numbers)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if path.name in PRIVATE else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        for data in spread("eval.encode:Encode", documents.folder, arguments, tasks, hands(total)):
            written += file.write(data)
    return {"tokens": written // dtype.itemsize, "bytes": total, "documents": len(numbers)}
