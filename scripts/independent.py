#!/usr/bin/env python3
"""Prints the values that tests of the statistics compare with, by scipy and statsmodels (pip install statsmodels)."""
from scipy.stats import binom
from statsmodels.stats.inter_rater import cohens_kappa

print("binomial tails (crates/decide/src/stats.rs)")
for k, n, p in [(3, 10, 0.5), (0, 59, 0.05), (12, 393, 0.05), (40, 1000, 0.05), (999, 1000, 0.99)]:
    print(k, n, p, repr(float(binom.cdf(k, n, p))))

print("kappa and its standard error (crates/decide/src/quality/kappa.rs)")
for table in ([[20, 5], [10, 15]], [[31, 7, 2], [4, 22, 5], [1, 6, 18]]):
    result = cohens_kappa(table)
    print(table, repr(float(result.kappa)), repr(float(result.std_kappa)))
