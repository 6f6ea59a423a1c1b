#!/usr/bin/env python3
"""APGR of the same kinds of heads (ridge and randomised trees) on a static word embedding alone, to set beside what
`cargo run --release -p tierway-learn --example bars -- DATA splits` prints for tierway's own features.

usage: compare_embedding.py DATA [SPLITS]    needs numpy, scikit-learn, wordllama (its 256-dimensional table), tokenizers
Nothing in the build or the tests runs it. The mean of the token vectors is the embedding, scaled to length one."""
import glob
import gzip
import json
import os
import sys

import numpy as np
from importlib.util import find_spec
from safetensors.numpy import load_file
from sklearn.ensemble import ExtraTreesRegressor
from tokenizers import Tokenizer

PAIRS = {
    "ze": ("ze-*", "gpt-4o-mini-2024-07-18", "o1-mini-2024-09-12"),
    "ulab": ("ulab-*", "llama-3.1-8b-instruct", "llama-3.1-nemotron-51b-instruct"),
    "mmlupro": ("mmlupro-*", "Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct"),
}
PENALTIES = (0.05, 0.1, 0.3, 1, 3, 10, 30)


def table(data, pattern, weak, strong):
    texts, scores = [], []
    for path in sorted(glob.glob(os.path.join(data, pattern + ".jsonl.gz"))):
        for line in gzip.open(path, "rt", encoding="utf-8"):
            row = json.loads(line)
            pair = [row["answers"].get(model) for model in (weak, strong)]
            if all(answer and answer.get("score") is not None for answer in pair):
                texts.append("\n".join(str(message["content"]) for message in row["messages"]))
                scores.append([float(answer["score"]) for answer in pair])
    return texts, np.array(scores)


def embed(texts):
    home = os.path.dirname(find_spec("wordllama").origin)
    weights = glob.glob(os.path.join(home, "**", "*.safetensors"), recursive=True)[0]
    tokenizer = Tokenizer.from_file(glob.glob(os.path.join(home, "**", "*tokenizer*.json"), recursive=True)[0])
    vectors = next(iter(load_file(weights).values())).astype(np.float32)
    means = np.array([vectors[tokenizer.encode(text[:12000], add_special_tokens=False).ids].mean(0) for text in texts])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def apgr(need, gain):
    order = np.argsort(-need, kind="stable")
    share = np.arange(len(gain) + 1) / len(gain)
    won = np.concatenate([[0], np.cumsum(gain[order])]) / gain.sum()
    tenths = np.interp(np.arange(11) / 10, share, won)
    return (tenths[1:] + tenths[:-1]).mean() / 2


def ridge(train, gain, test):
    """The penalty is the one under which the gains are most probable, as for tierway's n-grams."""
    middle, away = train.mean(0), gain - gain.mean()
    kernel = (train - middle) @ (train - middle).T
    size = np.trace(kernel) / len(gain)
    values, axes = np.linalg.eigh(kernel / size)
    square = (axes.T @ away) ** 2
    best = None
    for penalty in PENALTIES:
        spread = np.maximum(values, 0) + penalty
        surprise = len(gain) * np.log((square / spread).sum()) + np.log(spread).sum()
        best = min(best or (np.inf, 0), (surprise, penalty))
    duals = axes @ ((axes.T @ away) / (np.maximum(values, 0) + best[1]))
    return (test - middle) @ ((train - middle).T @ duals) / size


def main():
    data, splits = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    for name, (pattern, weak, strong) in PAIRS.items():
        texts, scores = table(data, pattern, weak, strong)
        vectors, gain = embed(texts), scores[:, 1] - scores[:, 0]
        for n in (200, 1000):
            figures = []
            for seed in range(splits):
                order = np.random.RandomState(seed).permutation(len(gain))
                train, test = order[:n], order[n:]
                trees = ExtraTreesRegressor(100, max_depth=4, min_samples_leaf=8, max_features=0.3, random_state=seed)
                need = ridge(vectors[train], gain[train], vectors[test])
                need += trees.fit(vectors[train], gain[train]).predict(vectors[test]) - gain[train].mean()
                figures.append(apgr(need, gain[test]))
            print(f"{name:<8} {n:>5}  {np.mean(figures):.3f} ({np.std(figures):.3f})", flush=True)


if __name__ == "__main__":
    main()
