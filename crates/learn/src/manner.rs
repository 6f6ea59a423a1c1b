//! The same ask in other manners: greeted, thanked for, called easy or hard.
//!
//! None of it says which work is asked for or who can do it. Heads that have seen each ask in several manners under one label
//! learn to take no notice; those that have not take "please help me" for a kind of work.

use crate::split;
use tierway_decide::Chance;

/// How an ask is begun and ended out of politeness.
const POLITE: (&[&str], &[&str]) = (
    &[
        "Hi! ",
        "Hello, could you help me with this? ",
        "Please ",
        "I would like your help. ",
        "Hey, quick question: ",
        "Would you be so kind: ",
        "Good morning,\n\n",
        "I was wondering if you can do this for me. ",
        "I need some help, please.\n",
        "Can you please do the following: ",
        "",
    ],
    &[
        "",
        " Thanks!",
        "\n\nThanks in advance.",
        " I really appreciate your help.",
        " Thank you.",
        "\nMany thanks and best regards",
        " Please.",
        " Let me know. Cheers!",
    ],
);

/// What is claimed of an ask, before or behind it, truly or not.
const CLAIMED: (&[&str], &[&str]) = (
    &[
        "This is an easy one. ",
        "Simple question: ",
        "A hard problem: ",
        "This one is really difficult. ",
        "Should be trivial for you. ",
        "Warning, this is complicated.\n",
        "Nothing special, just a small request. ",
        "You will have to think hard about it. ",
        "Only an expert can do this. ",
        "A child could do this. ",
    ],
    &[
        "",
        "",
        " It is not hard.",
        " It is very complex.",
        "\nNo need to think long.",
        "\nTake your time, it is a tough one.",
        " A cheap model is enough for this.",
        " Use your best model for this.",
    ],
);

/// The ask once politely and once with a claim; which words, its id decides.
pub(crate) fn others<'a>(id: &str, ask: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let mut chance = Chance::new(split::hash(id));
    [POLITE, CLAIMED].into_iter().map(move |(before, behind)| {
        let mut one_of = |phrases: &[&'static str]| phrases[chance.up_to(phrases.len() as u64 - 1) as usize];
        format!("{}{ask}{}", one_of(before), one_of(behind))
    })
}
