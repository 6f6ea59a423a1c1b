"""Reads prompts (JSONL with `messages`) and prints for each a line of true counts: {"Claude 3 to 4.6": 123, ..}.

Anthropic publishes no vocabulary; `ctok` rebuilds one from counts of its API, and gives those counts back to the token.
"""

import json
import sys

from ctok import token_count
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

MOST_BYTES = 64 * 1024
# Tokens that frame the one message of a request, counted apart by us.
FRAME = {version: token_count("a", version) - 1 for version in ("3.0", "4.8")}


def mistral(tokenizer):
    encoder = tokenizer.instruct_tokenizer.tokenizer
    return lambda text: len(encoder.encode(text, bos=False, eos=False))


FAMILIES = {
    "Claude 3 to 4.6": lambda text: token_count(text, "3.0") - FRAME["3.0"],
    "Claude from 4.7": lambda text: token_count(text, "4.8") - FRAME["4.8"],
    "Mistral (tekken)": mistral(MistralTokenizer.v3(is_tekken=True)),
}

for line in sys.stdin:
    texts = (message["content"] for message in json.loads(line)["messages"])
    text = "".join(text for text in texts if isinstance(text, str))
    cut = text.encode()[:MOST_BYTES].decode(errors="ignore")
    print(json.dumps({family: count(cut) for family, count in FAMILIES.items()}), flush=True)
