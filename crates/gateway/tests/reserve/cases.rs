//! Calls of the scripts, at 1,000,000,000,000 µs: a minute from then is 1,000,060,000,000.

use crate::{Case, Told};

/// Answers of a request that is let in: 1, then for each payer spent, reserved and base of its budget, then requests and
/// tokens that are left of a minute, each with the milliseconds until all are there again (-1 and 0: no bound).
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "without a bound nothing is kept",
        before: "",
        ask: "10 1; 0 0 0 -1 0 0 0",
        answer: "1 0 0 0 -1 0 -1 0",
        after: "",
    },
    // Requests a minute.
    Case {
        name: "the first of two a minute",
        before: "",
        ask: "10 1; 2 0 0 -1 0 0 0",
        answer: "1 0 0 0 1 30000 -1 0",
        after: "pace1 requests=1000030000000 for 90000",
    },
    Case {
        name: "the second fits exactly",
        before: "pace1 requests=1000030000000",
        ask: "10 1; 2 0 0 -1 0 0 0",
        answer: "1 0 0 0 0 60000 -1 0",
        after: "pace1 requests=1000060000000 for 90000",
    },
    Case {
        name: "a microsecond too early waits a millisecond",
        before: "pace1 requests=1000030000001",
        ask: "10 1; 2 0 0 -1 0 0 0",
        answer: "0 1 requests 1",
        after: "pace1 requests=1000030000001",
    },
    Case {
        name: "what flowed out long ago is no credit",
        before: "pace1 requests=999000000000",
        ask: "10 1; 2 0 0 -1 0 0 0",
        answer: "1 0 0 0 1 30000 -1 0",
        after: "pace1 requests=1000030000000 for 90000",
    },
    Case {
        name: "one of eleven leaves ten, though an eleventh of a minute is no whole number",
        before: "",
        ask: "10 1; 11 0 0 -1 0 0 0",
        answer: "1 0 0 0 10 5455 -1 0",
        after: "pace1 requests=1000005454545 for 90000",
    },
    Case {
        name: "one a minute",
        before: "pace1 requests=1000000000001",
        ask: "10 1; 1 0 0 -1 0 0 0",
        answer: "0 1 requests 1",
        after: "pace1 requests=1000000000001",
    },
    // Tokens a minute.
    Case {
        name: "all tokens of a minute at once",
        before: "",
        ask: "100 1; 0 100 0 -1 0 0 0",
        answer: "1 0 0 0 -1 0 0 60000",
        after: "pace1 tokens=1000060000000 for 90000",
    },
    Case {
        name: "more than a minute has never fit, so no wait is named",
        before: "",
        ask: "101 1; 0 100 0 -1 0 0 0",
        answer: "0 1 tokens -1",
        after: "",
    },
    Case {
        name: "tokens have to wait for those before them",
        before: "pace1 tokens=1000060000000",
        ask: "10 1; 0 100 0 -1 0 0 0",
        answer: "0 1 tokens 6000",
        after: "pace1 tokens=1000060000000",
    },
    Case {
        name: "and part of a millisecond is one",
        before: "pace1 tokens=1000054000001",
        ask: "10 1; 0 100 0 -1 0 0 0",
        answer: "0 1 tokens 1",
        after: "pace1 tokens=1000054000001",
    },
    Case {
        name: "requests and tokens are kept apart",
        before: "pace1 requests=1000030000000 tokens=1000006000000",
        ask: "10 1; 4 100 0 -1 0 0 0",
        answer: "1 0 0 0 1 45000 80 12000",
        after: "pace1 requests=1000045000000 tokens=1000012000000 for 90000",
    },
    // Requests in work.
    Case {
        name: "the first in work",
        before: "alive me",
        ask: "10 1; 0 0 1 -1 0 0 0",
        answer: "1 0 0 0 -1 0 -1 0",
        after: "pace1 a:me=1 for 90000",
    },
    Case {
        name: "no more in work than may be, here and elsewhere",
        before: "alive me other; pace1 a:me=1 a:other=2",
        ask: "10 1; 0 0 3 -1 0 0 0",
        answer: "0 1 active 0",
        after: "pace1 a:me=1 a:other=2",
    },
    Case {
        name: "what a replica that is gone had in work counts until there is no room",
        before: "alive me; pace1 a:gone=1 a:me=1",
        ask: "10 1; 0 0 3 -1 0 0 0",
        answer: "1 0 0 0 -1 0 -1 0",
        after: "pace1 a:gone=1 a:me=2 for 90000",
    },
    Case {
        name: "and goes when there is none",
        before: "alive me; pace1 a:gone=1 a:me=1",
        ask: "10 1; 0 0 2 -1 0 0 0",
        answer: "1 0 0 0 -1 0 -1 0",
        after: "pace1 a:me=2 for 90000",
    },
    Case {
        name: "a place that was given back is free",
        before: "alive me other; pace1 a:me=5 b:me=4 a:other=3 b:other=2",
        ask: "10 1; 0 0 3 -1 0 0 0",
        answer: "1 0 0 0 -1 0 -1 0",
        after: "pace1 a:me=6 a:other=3 b:me=4 b:other=2 for 90000",
    },
    Case {
        name: "and no other is",
        before: "alive me other; pace1 a:me=5 b:me=4 a:other=3 b:other=2",
        ask: "10 1; 0 0 2 -1 0 0 0",
        answer: "0 1 active 0",
        after: "pace1 a:me=5 a:other=3 b:me=4 b:other=2",
    },
    // Money.
    Case {
        name: "the first of a purse writes what was spent before there was one",
        before: "alive me",
        ask: "10 1; 0 0 0 100 40 30 20",
        answer: "1 30 40 30 -1 0 -1 0",
        after: "purse1 base=30 r:me=40 for 60",
    },
    Case {
        name: "the last unit may be reserved",
        before: "alive me other; purse1 base=20 s:me=10 s:other=5 r:me=15 r:other=10",
        ask: "10 1; 0 0 0 100 40 20 0",
        answer: "1 35 65 20 -1 0 -1 0",
        after: "purse1 base=20 r:me=55 r:other=10 s:me=10 s:other=5 for 60",
    },
    Case {
        name: "one unit more may not",
        before: "alive me other; purse1 base=20 s:me=10 s:other=5 r:me=15 r:other=10",
        ask: "10 1; 0 0 0 100 41 20 0",
        answer: "0 1 money 35 25",
        after: "purse1 base=20 r:me=15 r:other=10 s:me=10 s:other=5",
    },
    Case {
        name: "what was given back may be reserved again",
        before: "alive me other; purse1 base=0 r:me=90 d:me=70 r:other=30 d:other=20",
        ask: "10 1; 0 0 0 100 70 0 0",
        answer: "1 0 100 0 -1 0 -1 0",
        after: "purse1 base=0 d:me=70 d:other=20 r:me=160 r:other=30 for 60",
    },
    Case {
        name: "and no unit more",
        before: "alive me other; purse1 base=0 r:me=90 d:me=70 r:other=30 d:other=20",
        ask: "10 1; 0 0 0 100 71 0 0",
        answer: "0 1 money 0 30",
        after: "purse1 base=0 d:me=70 d:other=20 r:me=90 r:other=30",
    },
    Case {
        name: "a session that is over takes with it what it gave back",
        before: "alive me; purse1 base=0 r:gone=50 d:gone=20 r:me=10",
        ask: "10 1; 0 0 0 100 90 0 0",
        answer: "1 0 100 0 -1 0 -1 0",
        after: "purse1 base=0 r:me=100 for 60",
    },
    Case {
        name: "what was spent before there was a purse is known by the purse",
        before: "alive me; purse1 base=20",
        ask: "10 1; 0 0 0 100 10 70 0",
        answer: "1 20 10 20 -1 0 -1 0",
        after: "purse1 base=20 r:me=10 for 60",
    },
    Case {
        name: "who knows that more was spent is believed",
        before: "alive me; purse1 base=20 s:me=10",
        ask: "10 1; 0 0 0 100 10 20 91",
        answer: "0 1 money 91 0",
        after: "purse1 base=20 s:me=10",
    },
    Case {
        name: "a replica that is gone gives back what it had reserved, and not what it had spent",
        before: "alive me; purse1 base=0 r:gone=50 s:gone=30 r:me=10",
        ask: "10 1; 0 0 0 100 60 0 0",
        answer: "1 30 70 0 -1 0 -1 0",
        after: "purse1 base=0 r:me=70 s:gone=30 for 60",
    },
    Case {
        name: "which nobody does as long as there is enough",
        before: "alive me; purse1 base=0 r:gone=50",
        ask: "10 1; 0 0 0 100 50 0 0",
        answer: "1 0 100 0 -1 0 -1 0",
        after: "purse1 base=0 r:gone=50 r:me=50 for 60",
    },
    Case {
        name: "a budget of nothing pays for nothing",
        before: "alive me",
        ask: "10 1; 0 0 0 0 1 0 0",
        answer: "0 1 money 0 0",
        after: "",
    },
    Case {
        name: "sums of money beyond what a number of Lua would show in figures",
        before: "alive me; purse1 base=2000000000000000 r:me=1",
        ask: "10 1; 0 0 0 8000000000000000 1000000000000000 0 0",
        answer: "1 2000000000000000 1000000000000001 2000000000000000 -1 0 -1 0",
        after: "purse1 base=2000000000000000 r:me=1000000000000001 for 60",
    },
    // More money for a request that is under way.
    Case {
        name: "more money takes no request, no token and no place",
        before: "alive me; pace1 requests=1000099000000 tokens=1000099000000 a:me=1; purse1 base=0 r:me=10",
        ask: "500 0; 1 100 1 100 20 0 0",
        answer: "1 0 30 0 -1 0 -1 0",
        after: "pace1 a:me=1 requests=1000099000000 tokens=1000099000000; purse1 base=0 r:me=30 for 60",
    },
    // Several who pay.
    Case {
        name: "each of two pays",
        before: "alive me",
        ask: "10 1; 2 0 1 100 40 0 0; 0 100 0 1000 40 7 0",
        answer: "1 0 40 0 1 30000 -1 0 7 40 7 -1 0 90 6000",
        after: "pace1 a:me=1 requests=1000030000000 for 90000; pace2 tokens=1000006000000 for 90000; \
                purse1 base=0 r:me=40 for 60; purse2 base=7 r:me=40 for 60",
    },
    Case {
        name: "where the second cannot, the first does not",
        before: "alive me",
        ask: "10 1; 2 100 1 100 40 0 0; 0 0 0 30 40 0 0",
        answer: "0 2 money 0 0",
        after: "",
    },
];

/// Calls of `tell.lua`: this replica is `me`, its session `now`.
pub(crate) const TOLD: &[Told] = &[
    Told {
        name: "what was settled and given back",
        before: "purse1 base=7 r:now=50",
        say: "purse 30 40 60 9",
        after: "purse1 base=7 d:now=40 r:now=50 s:me=30 for 60",
    },
    Told {
        name: "told again nothing changes, and what comes late does not, either",
        before: "purse1 base=7 r:now=50 d:now=40 s:me=30",
        say: "purse 30 40 60 9; purse 20 10 60 9",
        after: "purse1 base=7 d:now=40 r:now=50 s:me=30 for 60",
    },
    Told {
        name: "no more is given back than is known to be taken",
        before: "purse1 base=7 r:now=5",
        say: "purse 30 40 60 9",
        after: "purse1 base=7 d:now=5 r:now=5 s:me=30 for 60",
    },
    Told {
        name: "a purse that nobody knows begins with what was spent before",
        before: "",
        say: "purse 30 40 60 9",
        after: "purse1 base=9 s:me=30 for 60",
    },
    Told {
        name: "a place that is free again, and tokens that were too many",
        before: "pace1 a:now=3 tokens=1000060000000",
        say: "pace 2 100 -50 0",
        after: "pace1 a:now=3 b:now=2 tokens=1000030000000 for 90000",
    },
    Told {
        name: "tokens of a minute that nobody counts are not corrected",
        before: "pace1 a:now=3",
        say: "pace 2 0 -50 0",
        after: "pace1 a:now=3 b:now=2 for 90000",
    },
    Told {
        name: "no more than an hour of debt",
        before: "pace1 tokens=1000000000000",
        say: "pace 0 1 1000000 0",
        after: "pace1 tokens=1003600000000 for 90000",
    },
];

/// Calls of `begin.lua`, of the session `now`: kind, session before (`-`: none, it goes on), open or taken, base, 1 where
/// that is certain, and who has settled what.
pub(crate) const BEGUN: &[Told] = &[
    Told {
        name: "a purse that nobody knows",
        before: "",
        say: "purse now 40 9 1 me 5 other 7",
        after: "purse1 base=9 r:now=40 s:me=5 s:other=7 for 60",
    },
    Told {
        name: "the session before takes with it what was open, and nobody has settled less than is known",
        before: "purse1 base=9 r:old=50 d:old=10 r:other=3 s:me=4 s:other=8",
        say: "purse old 40 9 1 me 5 other 7",
        after: "purse1 base=9 r:now=40 r:other=3 s:me=5 s:other=8 for 60",
    },
    Told {
        name: "what was half told under this name before counts for nothing",
        before: "purse1 base=9 r:old=50 r:now=60 d:now=20",
        say: "purse old 40 9 1 me 5",
        after: "purse1 base=9 r:now=40 s:me=5 for 60",
    },
    Told {
        name: "one that goes on is told again what was taken, and told twice nothing changes",
        before: "purse1 base=9 r:now=6 d:now=2",
        say: "purse - 40 9 1 me 5; purse - 40 9 1 me 5",
        after: "purse1 base=9 d:now=2 r:now=40 s:me=5 for 60",
    },
    Told {
        name: "and what was taken since counts",
        before: "purse1 base=9 r:now=41 d:now=2",
        say: "purse - 40 9 1 me 5",
        after: "purse1 base=9 d:now=2 r:now=41 s:me=5 for 60",
    },
    Told {
        name: "of two bases the smaller one is right, as somebody tells what is more in the other",
        before: "purse1 base=30 r:other=1",
        say: "purse now 0 20 1 me 10; purse now 0 25 1 me 10",
        after: "purse1 base=20 r:now=0 r:other=1 s:me=10 for 60",
    },
    Told {
        name: "but not that of who could not read the ledger",
        before: "purse1 base=30 r:other=1",
        say: "purse now 0 0 0 me 10",
        after: "purse1 base=30 r:now=0 r:other=1 s:me=10 for 60",
    },
    Told {
        name: "though it is better than none",
        before: "",
        say: "purse now 0 4 0 me 10",
        after: "purse1 base=4 r:now=0 s:me=10 for 60",
    },
    Told {
        name: "a pace has no base",
        before: "pace1 a:old=5 b:old=3 requests=1000",
        say: "pace old 2 - 0",
        after: "pace1 a:now=2 requests=1000 for 60",
    },
];
