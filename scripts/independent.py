#!/usr/bin/env python3
"""Prints the values that the tests of `learn` and `decide` compare with, by scipy, statsmodels and scikit-learn on the same
made-up rows (pip install scipy statsmodels scikit-learn). Nothing in the build or the tests runs it."""
import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import logsumexp
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from statsmodels.stats.inter_rater import cohens_kappa

N, COUNTERS, GRAMS = 240, 6, 40


class Chance:
    """The generator of the tests: a linear congruence, its upper bits."""

    def __init__(self):
        self.state = 42

    def draw(self, below):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return (self.state >> 16) % below


def rows():
    chance, counters, grams, target, group = Chance(), [], [], [], []
    for _ in range(N):
        c = [1 + chance.draw(200) for _ in range(COUNTERS)]
        g = [float(chance.draw(3) == 0) for _ in range(GRAMS)]
        noise = chance.draw(1000) / 1000
        counters.append(c)
        grams.append(g)
        target.append(c[0] / 200 + 0.5 * g[5] - c[1] * c[2] / 60000 + 0.3 * noise)
        group.append(0 if c[3] + 60 * g[7] > 140 else 1 if c[4] > 90 else 2)
    return np.array(counters, float), np.array(grams), np.array(target), np.array(group)


def show(name, values):
    print(f"{name}: {', '.join(f'{value:.6f}' for value in values)}")


C, G, y, group = rows()
words = G / np.sqrt(G.sum(1, keepdims=True))

X = (C - C.mean(0)) / C.std(0)
show("ridge on counters, penalty 0.5 a row", Ridge(alpha=0.5 * N).fit(X, y).predict(X)[:3])
show("ridge on n-grams, penalty 2", Ridge(alpha=2.0).fit(words, y).predict(words)[:3])

K = words - words.mean(0)
K = K @ K.T
away = y - y.mean()
surprise = {}
for penalty in (0.5, 1, 2, 5, 12, 40, 200):
    A = K + penalty * np.eye(N)
    surprise[penalty] = (N - 1) * np.log(away @ np.linalg.solve(A, away)) + np.linalg.slogdet(A)[1] - np.log(penalty)
print("most probable penalty:", min(surprise, key=surprise.get))

scaled = np.c_[(C - C.mean(0)) / np.maximum(C.std(0), 2), 4 * words]
logistic = LogisticRegression(C=1 / (0.01 * N), tol=1e-10, max_iter=10000).fit(scaled, group)
show("logistic, chances of the first row", logistic.predict_proba(scaled)[0])
show("logistic, chances of the second row", logistic.predict_proba(scaled)[1])

half = N // 2
misses = []
for seed in range(20):
    trees = ExtraTreesRegressor(100, max_depth=4, min_samples_leaf=8, max_features=2, random_state=seed)
    misses.append(np.mean((trees.fit(C[:half], y[:half]).predict(C[half:]) - y[half:]) ** 2))
print(f"trees, mean square on the other half: {np.mean(misses):.5f} (spread {np.std(misses):.5f}); mean alone {np.mean((y[half:] - y[:half].mean()) ** 2):.5f}")

for k, n, p in ((3, 10, 0.5), (0, 59, 0.05), (12, 393, 0.05), (40, 1000, 0.05), (999, 1000, 0.99)):
    print(f"binomial {k} of {n} at {p}: {stats.binom.cdf(k, n, p):.16g}")
for budget in (0.02, 0.05, 0.1):
    n = next(
        n
        for n in range(1, 20000)
        if (k := int(stats.binom.ppf(0.05, n, budget)) - 1) >= -1
        and (k := k + 1 if stats.binom.cdf(k + 1, n, budget) <= 0.05 else k) >= 0
        and stats.binom.cdf(k, n, budget / 2) >= 0.8
    )
    print(f"labels needed for {budget}: {n}")

for table in ([[20, 5], [10, 15]], [[31, 7, 2], [4, 22, 5], [1, 6, 18]]):
    result = cohens_kappa(table)
    print(f"kappa of {table} and its standard error: {result.kappa!r} {result.std_kappa!r}")

# A judge's rates from labels of people: each a weighted mean with the interval of betting against every other mean.
BETS = (0.004, 0.008, 0.015, 0.03, 0.05, 0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.85)
SAME, NEXT, OPPOSITE = 1.0, (80 / 40) / (600 / 180), (40 / 40) / (600 / 180)
LABELS = (  # stratum's weight, person, looks, how many
    (SAME, "b", "bb", 20), (SAME, "b", "tt", 3), (SAME, "t", "tt", 130), (SAME, "t", "bb", 6), (SAME, "t", "cc", 5),
    (SAME, "c", "cc", 14), (SAME, "c", "tt", 2), (NEXT, "b", "tb", 9), (NEXT, "t", "tb", 12), (NEXT, "t", "tc", 15),
    (NEXT, "c", "tc", 4), (OPPOSITE, "b", "cb", 12), (OPPOSITE, "t", "cb", 20), (OPPOSITE, "c", "cb", 8),
)


def rate(word, people, confidence):
    """Mean share of looks with this word among pairs of which people say one of these, and its interval."""
    seen = [(w, looks.count(word) / 2, n) for w, person, looks, n in LABELS if person in people]
    w, x, n = (np.array(column, float) for column in zip(*seen))
    mean = np.sum(w * n * x) / np.sum(w * n)
    goal = np.log(2 / (1 - confidence))

    def edge(gain):
        owned = [np.sum(n * np.log1p(bet * w * gain)) for bet in BETS]
        return logsumexp(owned) - np.log(len(BETS)) - goal

    low = brentq(lambda m: edge(x / m - 1), 1e-9, mean)
    high = brentq(lambda m: edge((1 - x) / (1 - m) - 1), mean, 1 - 1e-9)
    return mean, low, high


each = 1 - 0.025 / 4
show("found losses", found := rate("b", "b", each))
show("false losses", false := rate("b", "tc", each))
show("false wins", rate("c", "tb", each))
seen = 0.12
true = np.linalg.solve([[found[0], false[0]], [1 - found[0], 1 - false[0]]], [seen, 1 - seen])[0]
print(f"losses behind a share of {seen} that looks like them: {true:.6f}")
