#!/usr/bin/env python3
"""Build tierway's compiled-in price and capability catalogue.

Prices (with their history) come from genai-prices, limits, shutdown dates and
capability flags from LiteLLM's model map; what a model does with request
parameters comes from the table PARAMETERS below. Nothing of the two packages
is executed: the wheels (or unpacked folders) are only read. Run with --help
for the commands that fetch them.

Output: one JSON document, one model per line, sorted by provider and model.

  version        date of the build, YYYY-MM-DD
  sources        name, version, licence and date of retrieval
  models         list of:
    provider, model
    kind         "chat" or "embedding"
    api          only when not Chat Completions: "responses"
    price_source "litellm" where genai-prices has no entry (no price history then)
    aliases      further exact ids with the same data
    match        rules for ids that are not listed, tried after all exact ids of the
                 provider; among several hits the longest literal wins. A rule has one of
                 prefix, suffix, contains; a prefix may carry "then": "date" (the rest is
                 YYYYMMDD or YYYY-MM-DD) or "digit" (the rest begins with a digit) and
                 "without": [...] (texts that must not occur). Ids compare without case.
    prices       periods in ascending order; the last one whose "from" (UTC day) has come
                 holds; a period without "from" holds from the beginning. Amounts are US
                 dollars per million tokens, as decimal strings:
      input, output
      cached_input     absent: cached tokens cost the input price
      cache_write_5m   default-lifetime cache write (Anthropic 5 minutes, OpenAI 30
                       minutes); absent: written tokens cost the input price
      cache_write_1h   absent: as cache_write_5m
      audio_input, cached_audio_input, audio_output
      reasoning_output price of output while thinking, where it differs
      web_search_per_1000  per thousand searches, not per million tokens
      over         long-context prices: above "input_tokens" tokens of total input
                   (strictly more) ALL tokens of the request cost these; the highest
                   threshold passed wins; kinds not named keep the base price
      service_tiers  flex, priority (also what OpenAI's "fast" comes back as), batch, fast
                   (Anthropic "speed"): a kind named here replaces the standard price of
                   that kind, together with its "over"; kinds not named stay standard
      hours        [{"utc": "01:00-04:00", "weekdays": true, ...}]: prices in these hours of
                   the day (DeepSeek's peak), with weekdays only from Monday to Friday; the
                   period's own prices hold at all other times (Chinese holidays are off-peak
                   as well, which is not modelled: there the peak price is an upper bound)
    context_window, max_input (only where smaller), max_output, dimensions (embeddings)
    shutdown     day on which the provider switches the model off
    capabilities vision, tools, json_schema, streaming, audio (input), pdf
    parameters   see PARAMETERS

A field that neither source knows is left out; it is never guessed, and a price is
never zero unless the source says that the model is free.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import re
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any, Iterator

SOURCES = {
    "genai-prices": ("0.2.3", "MIT", "https://github.com/pydantic/genai-prices"),
    "litellm": ("1.109.1", "MIT", "https://github.com/BerriAI/litellm"),
}

HELP = """Fetch the two pinned packages first (nothing is installed):

  pip download --no-deps -d wheels genai-prices==%s
  pip download --no-deps -d wheels litellm==%s
  python3 build_catalogue.py --genai-prices wheels/genai_prices-*.whl \\
      --litellm wheels/litellm-*.whl --out catalogue.json --check crosscheck.txt

Either argument may also be the folder of an unpacked wheel.""" % (
    SOURCES["genai-prices"][0],
    SOURCES["litellm"][0],
)

# ---------------------------------------------------------------------------------------
# What is taken.
# catalogue name, genai-prices provider, keys under which LiteLLM lists the model,
# LiteLLM providers whose further models are added, and whether LiteLLM's flags are
# complete enough that a missing one means "no".
PROVIDERS = [
    ("openai", "openai", ["{}", "openai/{}"], ["openai"], True),
    ("anthropic", "anthropic", ["{}"], ["anthropic"], True),
    ("google", "google", ["gemini/{}"], ["gemini"], True),
    ("mistral", "mistral", ["mistral/{}"], ["mistral"], True),
    ("deepseek", "deepseek", ["{}", "deepseek/{}"], [], True),
    ("xai", "x-ai", ["xai/{}"], [], True),
    ("qwen", None, ["dashscope/{}"], ["dashscope"], False),
    ("groq", "groq", ["groq/{}"], ["groq"], False),
    ("together", "together", ["together_ai/{}"], [], False),
    ("fireworks", "fireworks", ["fireworks_ai/{}"], [], False),
    ("cohere", "cohere", ["{}", "cohere/{}"], ["cohere", "cohere_chat"], False),
    ("bedrock", "aws", ["{}"], [], False),
    ("azure", "azure", ["azure/{}"], ["azure"], True),
    ("openrouter", "openrouter", [], [], False),
]

# Not chat or embedding models (image, speech, realtime, OCR, guard models, base models),
# and Google's resale of Claude, which the Gemini API does not serve.
SKIP = {
    "*": r"image|-tts|tts-|transcri|whisper|realtime|-live|live-|moderation|-ocr|grok-voice|orpheus|prompt-guard"
    r"|llama-guard|sonic|omni-|-omni|lyria|banana|robotics|codestral-mamba|rerank|parse-v|computer-use|labs-"
    r"|safeguard|container|search-api|deep-research|titan-text|decider",
    "openai": r"^(ada|babbage|curie|davinci|text-davinci|codex-mini)|:extended|\.ft-|instruct|-cyber|rosalind|daybreak"
    r"|gpt-3\.5-0301|^ft:(babbage|davinci)",
    "anthropic": r"^claude-(v1|2)",
    "google": r"^claude|^gemini-gemma|gemini-(1|pro|flash-1|exp)|learnlm|-maas|vision-001",
    "mistral": r":free|^mistral-(tiny|7b|medium-2312|small-24b|small-3\.1)|mixtral|-vibe-|fim-",
    "deepseek": r"search",
    "xai": r"experimental|-beta|-gv2",
    "qwen": r"^(?!qwen|qwq)|image|audio",
    "groq": r"^(gemma|llama2|llama3-|llama-3\.2|mixtral|mistral)",
    "azure": r"^model-router$|^(us|eu|apac|global|global-standard|us-gov)/|^(ada|babbage|curie|davinci)$|:free|phi-3|wizard|mistral|command",
    "bedrock": r"claude-3-(opus|sonnet|5-sonnet-20240620)|llama3-70b|llama3-8b|-2402|7b-instruct-v0|mixtral",
}

# Of OpenRouter's 900 entries: current families of the makers people route to.
OPENROUTER = [
    r"~.+",
    r"openai/(gpt-6|gpt-5\.[3-6]|gpt-5\.[12]$|gpt-5(-mini|-nano)?$|gpt-4\.1|gpt-4o(-mini)?$|gpt-oss-(20|120)b$|gpt-chat|o3$)",
    r"anthropic/claude-(fable|opus-(4\.|5)|sonnet-(4\.|5)|haiku-)",
    r"google/(gemini-(2\.5-(pro|flash|flash-lite)$|3|4)|gemma-(3-27b|4))",
    r"deepseek/deepseek-(v3\.2$|v4|chat$|chat-v3\.1|r1$|r1-0528)",
    r"x-ai/grok-(4\.|build|code)",
    r"mistralai/(mistral-(large-2512|large-4|medium-3|small-2603|small-3\.2|nemo)|codestral-2508|devstral-2512|ministral-.*-2512)",
    r"qwen/(qwen3\.[678]|qwen3\.5-(397b|27b|plus|flash)|qwen3-(max|coder|235b-a22b-|32b)|qwen-plus$)",
    r"meta-llama/llama-(3\.[13]-.*instruct|4-)|meta/muse-",
    r"moonshotai/kimi-(k2\.[5-7]|k3)",
    r"z-ai/glm-(4\.[67]$|5)",
    r"minimax/minimax-(m2\.[57]|m3)",
    r"amazon/nova-(2-lite|pro|lite|micro)",
    r"cohere/command-a",
    r"nvidia/nemotron-3",
    r"xiaomi/mimo-v2\.[56]",
    r"bytedance-seed/seed-2-",
    r"(tencent/hy4|stepfun/step-5|inception/mercury-3|microsoft/phi-4$|perplexity/sonar(-pro)?$)",
]
OPENROUTER_SKIP = r":(batch|free|thinking|extended|beta)$|-fast$|-legal|contributor|content-safety|~unbiased|-preview-\d|customtools|ultraspeed" \
    r"|qwen3\.5-|qwen3-(32b|coder-30b)|llama-3\.1-(405b|70b)|muse-spark-1\.[12]|nemotron-3-nano|minimax-m2\.5|kimi-k2\.5" \
    r"|mistral-small-3\.2|mistral-medium-3$|ministral-(3b|14b)|grok-4\.20|grok-code|r1$|/deepseek-chat$|mimo-v2\.5" \
    r"|phi-4|command-a-03|gpt-5\.[45]-pro|gpt-5\.6-.*-pro"

# ---------------------------------------------------------------------------------------
# What models do with request parameters. First matching prefix of the family name wins
# (the family name is the id without maker, region and host prefixes, in lower case; dots
# in Claude versions are dashes). Sources: pydantic-ai-slim 2.68.0 profiles, checked by its
# authors against the live APIs from July to October 2026; LiteLLM 1.109.1 flags; DeepSeek
# and Google documentation. Keys:
#   sampling     temperature, top_p, penalties: "always", "never" (refused, or without
#                effect), "when_not_reasoning"
#   reasoning    "none", "off_by_default", "on_by_default", "always"
#   efforts      accepted levels of the effort parameter in Chat Completions or the native
#                API; responses_efforts: further ones that only the Responses API takes
#   thinking     how thinking is asked for where it is not an OpenAI-style effort:
#                "budget" (token budget), "adaptive", "adaptive_or_budget", "level",
#                "toggle" (thinking: {type: enabled|disabled}), "between_tools" (adaptive, and
#                switched off by {type: between_tools} instead of disabled)
#   system_role  takes system messages; stop: takes stop sequences; forced_tool_choice: takes
#                "required" or a named tool; prefill: an assistant turn at the end is accepted
#                (true) or answered with 400 (false); penalties: false where presence and
#                frequency penalties are refused although sampling is fine
NONE = {"sampling": "always", "reasoning": "none"}
LMH = ["low", "medium", "high"]


def _openai(reasoning: str, efforts: list[str] | None = None, responses: list[str] | None = None) -> dict[str, Any]:
    sampling = {"none": "always", "always": "never"}.get(reasoning, "when_not_reasoning")
    row: dict[str, Any] = {"sampling": sampling, "reasoning": reasoning, "stop": False, "forced_tool_choice": True}
    if efforts:
        row["efforts"] = efforts
    if responses:
        row["responses_efforts"] = responses
    return row


def _claude(reasoning: str, thinking: str | None, efforts: list[str] | None, *, sampling: str, forced: bool, prefill: bool):
    row: dict[str, Any] = {"sampling": sampling, "reasoning": reasoning, "stop": True, "forced_tool_choice": forced}
    row["prefill"] = prefill
    if sampling != "never":
        row["penalties"] = False
    if thinking:
        row["thinking"] = thinking
    if efforts:
        row["efforts"] = efforts
    return row


def _gemini(reasoning: str, thinking: str | None, efforts: list[str] | None, sampling: str = "always") -> dict[str, Any]:
    row: dict[str, Any] = {"sampling": sampling, "reasoning": reasoning, "stop": True, "forced_tool_choice": True}
    row["prefill"] = True
    if thinking:
        row["thinking"] = thinking
    if efforts:
        row["efforts"] = efforts
    return row


def _grok(reasoning: str, efforts: list[str] | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"sampling": "always", "penalties": False, "reasoning": reasoning, "stop": False}
    if efforts:
        row["efforts"] = efforts
    return row


_C_NEW = dict(sampling="never", prefill=False)
_C_ALL = ["low", "medium", "high", "xhigh", "max"]
_ALWAYS_GPT6 = _openai("always", ["low", "medium", "high", "xhigh"], ["max"])
_DEFAULT_GPT6 = _openai("on_by_default", ["none", "low", "medium", "high", "xhigh"], ["max"])
_OPT_IN = _openai("off_by_default", ["none", "low", "medium", "high", "xhigh"])
_PRO = _openai("always", ["medium", "high", "xhigh"])
_CHAT_LATEST = _openai("always", ["medium"])
_MINIMAL = ["minimal", "low", "medium", "high"]
_CLAUDE_OLD = dict(sampling="when_not_reasoning", forced=True, prefill=True)
_MISTRAL_OPT_IN = {"sampling": "always", "reasoning": "off_by_default", "efforts": ["none", "high"]}

PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    # OpenAI
    ("gpt-6-astra", _ALWAYS_GPT6),
    ("gpt-6.1-sol", _ALWAYS_GPT6),
    ("gpt-6.1-terra", _DEFAULT_GPT6),
    ("gpt-6-sol", _DEFAULT_GPT6),
    ("gpt-6-luna", _DEFAULT_GPT6),
    ("gpt-5.6", _DEFAULT_GPT6),
    ("gpt-5.5-pro", _PRO),
    ("gpt-5.5-chat", _CHAT_LATEST),
    ("gpt-5.5", _openai("on_by_default", ["none", "low", "medium", "high", "xhigh"])),
    ("gpt-5.4-pro", _PRO),
    ("gpt-5.4", _OPT_IN),
    ("gpt-5.3-chat", _CHAT_LATEST),
    ("gpt-5.3", _OPT_IN),
    ("gpt-5.2-pro", _PRO),
    ("gpt-5.2-chat", _CHAT_LATEST),
    ("gpt-5.2", _OPT_IN),
    ("gpt-5.1-codex", _openai("always")),
    ("gpt-5.1-chat", _CHAT_LATEST),
    ("gpt-5.1", _openai("off_by_default", ["none", "low", "medium", "high"])),
    ("gpt-5-chat", _openai("none")),
    ("gpt-5-pro", _openai("always", ["high"])),
    ("gpt-5-codex", _openai("always")),
    ("gpt-5", _openai("always", _MINIMAL)),
    ("gpt-chat-latest", _CHAT_LATEST),
    ("chat-latest", _CHAT_LATEST),
    # o1-mini and o1-preview: neither system nor developer messages, no tools, no efforts.
    ("o1-mini", {**_openai("always"), "system_role": False, "forced_tool_choice": False}),
    ("o1-preview", {**_openai("always"), "system_role": False, "forced_tool_choice": False}),
    ("o1", {**_openai("always", LMH), "stop": True}),
    ("o3", _openai("always", LMH)),
    ("o4", _openai("always", LMH)),
    ("gpt-oss", {"sampling": "always", "reasoning": "always", "efforts": LMH}),
    ("gpt-audio", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("gpt-4", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("gpt-3", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("gpt-35", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("chatgpt-4o", {**NONE, "stop": True}),
    ("ft:gpt-", {**NONE, "stop": True, "forced_tool_choice": True}),
    # Anthropic. Sampling is refused from Opus 4.7 on, prefill from 4.6 on, forced tool choice
    # by Fable 5.1+, Opus 5.5 and Sonnet 5.5. Older models: temperature 0..1, and thinking
    # excludes other temperatures. Efforts are values of output_config.effort.
    ("claude-fable-5-1", _claude("always", "adaptive", _C_ALL, forced=False, **_C_NEW)),
    ("claude-fable-5-2", _claude("always", "adaptive", _C_ALL, forced=False, **_C_NEW)),
    ("claude-mythos-5-1", _claude("always", "adaptive", _C_ALL, forced=False, **_C_NEW)),
    ("claude-mythos-5-2", _claude("always", "adaptive", _C_ALL, forced=False, **_C_NEW)),
    ("claude-fable-5", _claude("always", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-mythos", _claude("always", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-opus-5-5", _claude("always", "adaptive", _C_ALL, forced=False, **_C_NEW)),
    ("claude-sonnet-5-5", _claude("on_by_default", "between_tools", _C_ALL, forced=False, **_C_NEW)),
    ("claude-opus-5", _claude("on_by_default", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-sonnet-5", _claude("on_by_default", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-haiku-5-5", _claude("on_by_default", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-opus-4-8", _claude("off_by_default", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-opus-4-7", _claude("off_by_default", "adaptive", _C_ALL, forced=True, **_C_NEW)),
    ("claude-opus-4-6", _claude("off_by_default", "adaptive_or_budget", LMH + ["max"], sampling="when_not_reasoning", forced=True, prefill=False)),
    ("claude-sonnet-4-6", _claude("off_by_default", "adaptive_or_budget", LMH + ["max"], sampling="when_not_reasoning", forced=True, prefill=False)),
    ("claude-opus-4-5", _claude("off_by_default", "budget", LMH, **_CLAUDE_OLD)),
    ("claude-opus-4", _claude("off_by_default", "budget", None, **_CLAUDE_OLD)),
    ("claude-4", _claude("off_by_default", "budget", None, **_CLAUDE_OLD)),
    ("claude-sonnet-4", _claude("off_by_default", "budget", None, **_CLAUDE_OLD)),
    ("claude-haiku-4", _claude("off_by_default", "budget", None, **_CLAUDE_OLD)),
    ("claude-3-7", _claude("off_by_default", "budget", None, **_CLAUDE_OLD)),
    ("claude-3", _claude("none", None, None, sampling="always", forced=True, prefill=True)),
    # Google. Sampling is refused from 3.5-flash-lite on and ignored by 4 Argon; models that
    # do not take the level "minimal" cannot stop thinking. Efforts are thinking levels.
    ("gemini-4-argon", _gemini("always", "level", LMH, "never")),
    ("gemini-4-carbon", _gemini("always", "level", LMH, "never")),
    ("gemini-3.8-flash", _gemini("always", "level", LMH, "never")),
    ("gemini-flash-latest", _gemini("always", "level", LMH, "never")),
    ("gemini-3.7-flash", _gemini("always", "level", LMH, "never")),
    ("gemini-3.6-flash", _gemini("on_by_default", "level", _MINIMAL, "never")),
    ("gemini-3.5-flash-lite", _gemini("on_by_default", "level", _MINIMAL, "never")),
    ("gemini-flash-lite-latest", _gemini("on_by_default", "level", _MINIMAL, "never")),
    ("gemini-3.5-flash", _gemini("on_by_default", "level", _MINIMAL)),
    ("gemini-3.1-pro", _gemini("always", "level", LMH)),
    ("gemini-pro-latest", _gemini("always", "level", LMH)),
    ("gemini-3-pro", _gemini("always", "level", ["low", "high"])),
    ("gemini-3", _gemini("on_by_default", "level", _MINIMAL)),
    ("gemini-2.5-pro", _gemini("always", "budget", None)),
    ("gemini-2.5-flash-lite", _gemini("off_by_default", "budget", None)),
    ("gemini-2.5-flash", _gemini("on_by_default", "budget", None)),
    ("gemini-2.0", _gemini("none", None, None)),
    ("gemma-3", {**NONE, "system_role": False}),
    ("gemma-2", {**NONE, "system_role": False}),
    ("gemma-4", {"sampling": "always"}),
    # xAI: presence/frequency penalties and stop are refused by every Grok 4 and code model.
    ("grok-4.7", _grok("always", ["low", "medium", "high", "xhigh"])),
    ("grok-4.6", _grok("always", LMH)),
    ("grok-4.5", _grok("always", LMH)),
    ("grok-build-latest", _grok("always", LMH)),
    ("grok-4.3", _grok("on_by_default", ["none", "low", "medium", "high"])),
    ("grok-4.20-0309-non-reasoning", _grok("none")),
    ("grok-4.20-non-reasoning", _grok("none")),
    ("grok-4.20", _grok("always")),
    ("grok-4-fast-non-reasoning", _grok("none")),
    ("grok-4-1-fast-non-reasoning", _grok("none")),
    ("grok-4", _grok("always")),
    ("grok-3-mini", {**_grok("on_by_default", ["none", "low", "high"]), "penalties": True}),
    ("grok-code-fast", _grok("always")),
    ("grok-3", {**NONE, "stop": True}),
    ("grok-2", {**NONE, "stop": True}),
    # DeepSeek: while it thinks, sampling parameters are taken without effect.
    ("deepseek-v4", {"sampling": "always", "reasoning": "on_by_default", "efforts": ["low", "high", "max"], "thinking": "toggle", "stop": True}),
    ("deepseek-flash", {"sampling": "always", "reasoning": "on_by_default", "efforts": ["low", "high", "max"], "thinking": "toggle", "stop": True}),
    ("deepseek-reasoner", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("deepseek-r1", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("deepseek.r1", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("r1", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("deepseek-chat", {**NONE, "stop": True, "forced_tool_choice": True}),
    # Mistral
    ("magistral", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("mistral-large-4", {**_MISTRAL_OPT_IN, "stop": True, "forced_tool_choice": True}),
    ("mistral-medium-3-5", {**_MISTRAL_OPT_IN, "stop": True, "forced_tool_choice": True}),
    ("mistral-medium-3.5", {**_MISTRAL_OPT_IN, "stop": True, "forced_tool_choice": True}),
    ("mistral-medium-latest", {**_MISTRAL_OPT_IN, "stop": True, "forced_tool_choice": True}),
    ("mistral-small-2603", {**_MISTRAL_OPT_IN, "stop": True, "forced_tool_choice": True}),
    ("mistral-small-latest", {**_MISTRAL_OPT_IN, "stop": True, "forced_tool_choice": True}),
    ("devstral", {"sampling": "always", "stop": True, "forced_tool_choice": True}),
    ("mistral-", {"sampling": "always", "stop": True, "forced_tool_choice": True}),
    ("ministral", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("codestral", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("pixtral", {**NONE, "stop": True, "forced_tool_choice": True}),
    ("open-mistral", {**NONE, "stop": True, "forced_tool_choice": True}),
    # Qwen: commercial qwen-plus/flash/turbo think only on request, *-thinking and qwq always,
    # *-instruct and coder models never; for the newer ones the default is not documented here.
    ("qwq", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("qwen-plus", {"sampling": "always", "reasoning": "off_by_default", "stop": True}),
    ("qwen-flash", {"sampling": "always", "reasoning": "off_by_default", "stop": True}),
    ("qwen-turbo", {"sampling": "always", "reasoning": "off_by_default", "stop": True}),
    ("qwen3-coder", {**NONE, "stop": True}),
    ("qwen-coder", {**NONE, "stop": True}),
    ("qwen", {"sampling": "always", "stop": True}),
    # Other makers
    ("kimi-k2-thinking", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("kimi-k2-instruct", {**NONE, "stop": True}),
    ("command-a-reasoning", {"sampling": "always", "reasoning": "always", "stop": True}),
    ("command-a-plus", {"sampling": "always", "stop": True}),
    ("command", {**NONE, "stop": True}),
    ("c4ai-aya", {**NONE, "stop": True}),
    ("llama", {**NONE, "stop": True}),
    ("meta-llama", {**NONE, "stop": True}),
    ("nova-2", {"sampling": "always", "reasoning": "off_by_default", "stop": True}),
    ("nova-", {**NONE, "stop": True}),
    # Open-weight models on vLLM-like hosts take sampling and stop; the rest is not known.
    ("", {"sampling": "always", "stop": True}),
]

TEXT_ONLY = {"vision": False, "tools": False, "json_schema": False, "streaming": True, "audio": False, "pdf": False}

# Corrections to single facts, with the reason.
OVERRIDES: dict[tuple[str, str], dict[str, Any]] = {
    # LiteLLM lists the total of a generation continued over several requests; one request
    # yields 65,536 tokens at most (Google, "What's new in Gemini 4 Argon").
    ("google", "gemini-4-argon"): {"max_output": 65536},
    # Not in LiteLLM's map any more; limits as on Azure, which still lists it. Text in, text out, no tools, no schemas:
    # what is left open counts as able, and pictures and sound would be sent to it.
    ("openai", "o1-mini"): {"max_output": 65536, "capabilities": TEXT_ONLY},
    ("openai", "o1-preview"): {"capabilities": TEXT_ONLY},
}

# Models that LiteLLM does not list yet, and the sibling whose limits and capabilities they share
# (genai-prices: same window; pydantic-ai treats both alike).
SIBLINGS = {"claude-fable-5-2": "claude-fable-5-1", "claude-mythos-5-2": "claude-mythos-5-1"}

# ---------------------------------------------------------------------------------------
# Reading the sources


def read_member(path: Path, member: str) -> bytes:
    """Read a file of a wheel, given as .whl or as unpacked folder."""
    if path.is_dir():
        return (path / member).read_bytes()
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(member)


def check_version(path: Path, dist: str, wanted: str) -> None:
    try:
        metadata = read_member(path, f"{dist}-{wanted}.dist-info/METADATA").decode()
    except (KeyError, FileNotFoundError):
        sys.exit(f"{path}: not {dist} {wanted} (no {dist}-{wanted}.dist-info); pin a new version in SOURCES")
    assert f"Version: {wanted}" in metadata


class Obj(dict):
    """A constructor call of genai-prices' data file: its keywords, and the class name."""

    kind: str = ""


def literal(node: ast.expr) -> Any:
    """Evaluate the constructor calls of data.py without running any of its code."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {literal(key): literal(value) for key, value in zip(node.keys, node.values) if key is not None}
    if isinstance(node, ast.Attribute):
        return node.attr  # datetime.UTC
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id  # type: ignore[attr-defined]
        args = [literal(arg) for arg in node.args]
        if name == "Decimal":
            return Decimal(args[0])
        if name == "date":
            return datetime.date(*args)
        if name == "time":
            return "%02d:%02d" % tuple((args + [0])[:2])
        obj = Obj({keyword.arg: literal(keyword.value) for keyword in node.keywords})
        obj.kind = name
        return obj
    raise ValueError(f"unexpected {ast.dump(node)[:80]}")


def read_genai(path: Path) -> dict[str, Obj]:
    tree = ast.parse(read_member(path, "genai_prices/data.py"))
    for statement in tree.body:
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id == "providers" and statement.value:
            return {provider["id"]: provider for provider in literal(statement.value)}
    sys.exit("genai_prices/data.py: no providers")


# ---------------------------------------------------------------------------------------
# Prices

PRICE_KEYS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning_output",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "cached_audio_input",
    "output_audio_mtok": "audio_output",
    "web_searches_kcount": "web_search_per_1000",
}
ORDER = list(dict.fromkeys(PRICE_KEYS.values()))


def money(value: Decimal) -> str:
    """Plain decimal; six places are 1e-12 dollars per token, more is float noise of price lists."""
    return format((round(value, 6) + 0).normalize(), "f")


def rates(price: Obj) -> dict[str, Any]:
    """A genai-prices ModelPrice as {kind: amount, ..., over: [...]}."""
    base: dict[str, str] = {}
    over: dict[int, dict[str, str]] = {}
    for key, name in PRICE_KEYS.items():
        value = price.get(key)
        if value is None:
            continue
        if isinstance(value, Decimal):
            base[name] = money(value)
        else:
            base[name] = money(value["base"])
            for tier in value["tiers"]:
                over.setdefault(tier["start"], {})[name] = money(tier["price"])
    return with_over(base, over)


def with_over(base: dict[str, str], over: dict[int, dict[str, str]]) -> dict[str, Any]:
    result: dict[str, Any] = {key: base[key] for key in ORDER if key in base}
    # A threshold names every kind that costs more above it, also those that rose earlier.
    steps, so_far = [], {}
    for start in sorted(over):
        so_far = {**so_far, **over[start]}
        steps.append({"input_tokens": start, **{key: so_far[key] for key in ORDER if key in so_far}})
    if steps:
        result["over"] = steps
    return result


def tier_name(when: dict[str, str]) -> str | None:
    """Name of a price variant; None for those that tierway has no use for."""
    if when == {"processing": "batch"}:
        return "batch"
    if list(when) == ["service_tier"] and when["service_tier"] in ("flex", "priority"):
        return when["service_tier"]  # "default" is the standard price, "fast" equals priority
    if when == {"speed": "fast"}:
        return "fast"
    return None


def genai_periods(model: Obj, today: datetime.date) -> list[dict[str, Any]]:
    """Price periods of a genai-prices model.

    Variants (batch, flex, priority) carry the day on which their rates were verified, not the day
    from which they held; so the running period gets them without splitting it at that day, and
    only changes that lie in the future begin a period of their own.
    """
    prices = model["prices"]
    if isinstance(prices, Obj):
        prices = [Obj(prices=prices)]
    dated: list[tuple[datetime.date | None, Obj]] = []
    hours: list[tuple[str, Obj]] = []
    for item in prices:
        constraint = item.get("constraint")
        if constraint is None:
            dated.append((None, item["prices"]))
        elif constraint.kind == "StartDateConstraint":
            dated.append((constraint["start_date"], item["prices"]))
        else:
            hours.append((f"{constraint['start_time']}-{constraint['end_time']}", item["prices"]))
    dated.sort(key=lambda item: item[0] or datetime.date.min)
    variants = model.get("price_variants") or []
    starts = {start for start, _ in dated}
    for variant in variants:
        begin = (variant.get("constraint") or {}).get("start_date")
        if begin and begin > today:
            starts.add(begin)
    ordered = sorted(starts, key=lambda start: start or datetime.date.min)
    periods = []
    for index, start in enumerate(ordered):
        begin = start or datetime.date.min
        end = ordered[index + 1] if index + 1 < len(ordered) else datetime.date.max
        at = begin if begin > today else min(today, end - datetime.timedelta(days=1))  # type: ignore[operator]
        base = [price for first, price in dated if (first or datetime.date.min) <= begin][-1]
        period: dict[str, Any] = {"from": start.isoformat()} if start else {}
        period |= rates(base)
        if Decimal(period.get("cache_write_5m", "Infinity")) < Decimal(period.get("input", "0")):
            # OpenRouter lists only the storage part of Gemini cache writes, which comes on top of
            # the input price; without the field written tokens cost the input price.
            period.pop("cache_write_5m")
            for step in period.get("over", []):
                step.pop("cache_write_5m", None)
        tiers: dict[str, Any] = {}
        for variant in variants:  # the first active variant of a name wins
            begins = (variant.get("constraint") or {}).get("start_date")
            name = tier_name(variant["when"])
            if name and name not in tiers and (begins is None or begins <= at) and variant["prices"]:
                tiers[name] = rates(variant["prices"])
        if tiers:
            period["service_tiers"] = dict(sorted(tiers.items()))
        if hours and end == datetime.date.max:  # genai-prices cannot date them; they are today's
            weekdays = {"weekdays": True} if "UTC 01:00-04:00" in (model.get("price_comments") or "") else {}
            period["hours"] = [{"utc": span, **weekdays, **rates(price)} for span, price in hours]
        periods.append(period)
    return periods


LITELLM_KEYS = [
    ("input_cost_per_token", "input"),
    ("cache_read_input_token_cost", "cached_input"),
    ("cache_creation_input_token_cost_above_1hr", "cache_write_1h"),
    ("cache_creation_input_token_cost", "cache_write_5m"),
    ("output_cost_per_token", "output"),
    ("output_cost_per_reasoning_token", "reasoning_output"),
    ("input_cost_per_audio_token", "audio_input"),
    ("output_cost_per_audio_token", "audio_output"),
]
LITELLM_SUFFIX = re.compile(r"(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority))?")


def per_million(value: float) -> str:
    """USD per token as float to USD per million as decimal, without the float's noise."""
    return money(Decimal("%.10g" % value) * 1_000_000)


def litellm_periods(entry: dict[str, Any]) -> list[dict[str, Any]]:
    found: dict[str, tuple[dict[str, str], dict[int, dict[str, str]]]] = {}
    flat = {key: value for key, value in entry.items() if isinstance(value, (int, float)) and "cost" in key}
    for step in entry.get("tiered_pricing") or []:
        low = int(step["range"][0])
        for key, value in step.items():
            if key != "range":
                flat[key + (f"_above_{low // 1000}k_tokens" if low else "")] = value
    for key, value in flat.items():
        for stem, name in LITELLM_KEYS:
            suffix = LITELLM_SUFFIX.fullmatch(key.removeprefix(stem)) if key.startswith(stem) else None
            if suffix:
                base, over = found.setdefault({"batches": "batch"}.get(suffix[2], suffix[2] or ""), ({}, {}))
                if suffix[1]:
                    over.setdefault(int(suffix[1]) * 1000, {})[name] = per_million(value)
                else:
                    base[name] = per_million(value)
                break
    if "" not in found or "input" not in found[""][0]:
        return []
    standard = with_over(*found.pop(""))
    if set(standard.get(key, "0") for key in ("input", "output")) == {"0"}:
        return []  # in this map zero often means "unknown"
    if standard.get("reasoning_output") == standard.get("output"):
        standard.pop("reasoning_output", None)
        for step in standard.get("over", []):
            step.pop("reasoning_output", None)
    tiers = {name: with_over(*pair) for name, pair in sorted(found.items()) if pair[0]}
    if tiers:
        standard["service_tiers"] = tiers
    return [standard]


# ---------------------------------------------------------------------------------------
# Matching

DATED = re.compile(r"\^(.+?)(?:-|\[-@\])(?:\\d\{8\}|\\d\{4\}-\\d\{2\}-\\d\{2\})\$")
DIGIT = re.compile(r"\^(.+-)\\d")
NO_TTS = r"^(?!.*-[tT][tT][sS](?:$|-))"


def flatten(clause: Obj) -> Iterator[Obj]:
    if clause.kind == "ClauseOr":
        for part in clause["or_"]:
            yield from flatten(part)
    else:
        yield clause


def matching(model: Obj) -> tuple[list[str], list[dict[str, Any]]]:
    """Exact ids and rules of a genai-prices model."""
    ids, rules = [model["id"]], []
    for clause in flatten(model["match"]):
        if clause.kind == "ClauseEquals":
            ids.append(clause["equals"])
        elif clause.kind == "ClauseStartsWith":
            rules.append({"prefix": clause["starts_with"]})
        elif clause.kind == "ClauseEndsWith":
            rules.append({"suffix": clause["ends_with"]})
        elif clause.kind == "ClauseContains":
            rules.append({"contains": clause["contains"]})
        elif clause.kind == "ClauseAnd":
            start, regex = clause["and_"]
            assert regex["regex"] == NO_TTS, regex
            rules.append({"prefix": start["starts_with"], "without": ["-tts"]})
        elif dated := DATED.fullmatch(clause["regex"]):
            rules.append({"prefix": dated[1].replace("\\", "") + "-", "then": "date"})
        elif digit := DIGIT.fullmatch(clause["regex"]):
            rules.append({"prefix": digit[1].replace("\\", ""), "then": "digit"})
        else:
            raise ValueError(f"{model['id']}: {clause}")
    return list(dict.fromkeys(ids)), [rule for i, rule in enumerate(rules) if rule not in rules[:i]]


def rule_hit(rule: dict[str, Any], name: str) -> int:
    """Length of the literal if the rule matches, else 0."""
    text = next(rule[key] for key in ("prefix", "suffix", "contains") if key in rule).lower()
    if any(part in name for part in rule.get("without", [])):
        return 0
    if "prefix" in rule:
        rest = name[len(text) :]
        then = {"date": r"\d{8}|\d{4}-\d{2}-\d{2}", "digit": r"\d.*"}.get(rule.get("then", ""), ".*")
        return len(text) if name.startswith(text) and re.fullmatch(then, rest) else 0
    hit = name.endswith(text) if "suffix" in rule else text in name
    return len(text) if hit else 0


def resolve(models: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The catalogue's own rule: exact id first, then the rule with the longest literal."""
    name = name.lower()
    for model in models:
        if name == model["model"].lower() or name in (alias.lower() for alias in model.get("aliases", [])):
            return model
    hits = ((rule_hit(rule, name), -i) for i, model in enumerate(models) for rule in model.get("match", []))
    best = max(hits, default=(0, 0))
    return models[-best[1]] if best[0] else None


# ---------------------------------------------------------------------------------------
# Facts


def family(name: str) -> str:
    """The id without host, region and maker, in the spelling of PARAMETERS."""
    name = name.lower().rsplit("/", 1)[-1].lstrip("~")
    name = re.sub(r"^(global|regional|us|eu|apac|au|jp|in)\.", "", name)
    name = re.sub(r"^(anthropic|openai|amazon|meta|mistral|qwen|deepseek|google|cohere|moonshotai)\.", "", name)
    if name.startswith("claude"):
        return name.replace(".", "-")
    return re.sub(r"^gpt-(\d)-(\d)(?=$|-)", r"gpt-\1.\2", name)


def parameters(provider: str, name: str) -> dict[str, Any]:
    base = family(name)
    row = next(dict(row) for prefix, row in PARAMETERS if base.startswith(prefix))
    if re.search(r"-thinking($|-)", base) and row.get("reasoning") != "always":
        row["reasoning"] = "always"
    elif re.search(r"-instruct($|-)", base) and "reasoning" not in row:
        row["reasoning"] = "none"
    row.setdefault("system_role", True)
    reasons = row.get("reasoning") != "none" and re.match(r"gpt-\d|o\d|chat-latest|gpt-chat", base)
    takes_new_name = provider == "openai" or (provider in ("azure", "bedrock") and reasons)
    row["max_tokens_field"] = "max_completion_tokens" if takes_new_name else "max_tokens"
    keys = "sampling penalties reasoning efforts responses_efforts thinking system_role max_tokens_field stop forced_tool_choice prefill"
    return {key: row[key] for key in keys.split() if key in row}


def facts(entry: dict[str, Any] | None, curated: bool) -> dict[str, Any]:
    """Kind, limits, shutdown and capabilities from an entry of LiteLLM's map."""
    if entry is None:
        return {}
    result: dict[str, Any] = {"kind": "embedding" if entry.get("mode") == "embedding" else "chat"}
    if entry.get("mode") == "responses":
        result["api"] = "responses"
    for key, name in (("max_input_tokens", "context_window"), ("max_output_tokens", "max_output")):
        if isinstance(entry.get(key), (int, float)) and entry[key] > 0:
            result[name] = int(entry[key])
    if entry.get("deprecation_date"):
        result["shutdown"] = entry["deprecation_date"]
    if result["kind"] == "embedding":
        result.pop("max_output", None)
        if entry.get("output_vector_size"):
            result["dimensions"] = entry["output_vector_size"]
        return result
    flags = {
        "vision": entry.get("supports_vision", False),
        "tools": entry.get("supports_function_calling", False),
        "json_schema": entry.get("supports_response_schema") or entry.get("supports_native_structured_output") or (False if curated else None),
        "streaming": entry.get("supports_native_streaming", True),  # every chat API streams
        "audio": entry.get("supports_audio_input", False),
        "pdf": entry.get("supports_pdf_input", False if curated else None),
    }
    result["capabilities"] = {key: bool(value) for key, value in flags.items() if value is not None}
    return result


def merge_limits(result: dict[str, Any], genai_context: int | None) -> None:
    """LiteLLM's max_input_tokens is the prompt limit; genai-prices' value the whole window."""
    limit = result.get("context_window")
    if genai_context is None:
        return
    if limit is None or limit < genai_context * 0.95:
        result["context_window"] = genai_context
        if limit is not None:
            result["max_input"] = limit
    elif limit > genai_context * 1.1:
        result["context_window"] = genai_context  # the sources disagree: the careful value


def undated(name: str) -> str:
    return re.sub(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|\d{4})$", "", name)


# ---------------------------------------------------------------------------------------
# Building


class Builder:
    def __init__(self, genai: dict[str, Obj], litellm: dict[str, Any], today: datetime.date) -> None:
        self.genai, self.litellm, self.today = genai, litellm, today
        self.models: list[dict[str, Any]] = []

    def entry(self, keys: list[str], name: str) -> dict[str, Any] | None:
        regions = ((r"^regional\.", ""), (r"^(global|regional)\.", "us."), (r"^(global|regional)\.", ""))
        names = [name] + [re.sub(pattern, to, name) for pattern, to in regions]
        names += [n.removesuffix(":0").removesuffix("-v1") for n in names] + [f"accounts/fireworks/models/{name}"]
        for candidate in dict.fromkeys(names):
            for key in keys:
                if key.format(candidate) in self.litellm:
                    return self.litellm[key.format(candidate)]
        return None

    def skipped(self, provider: str, name: str) -> bool:
        if provider == "openrouter":
            wanted = any(re.match(pattern, name) for pattern in OPENROUTER)
            return not wanted or bool(re.search(OPENROUTER_SKIP, name) or re.search(SKIP["*"], name))
        return any(re.search(SKIP[key], name.lower()) for key in ("*", provider) if key in SKIP)

    def emit(self, provider: str, name: str, aliases: list[str], rules: list[Any], periods: list[Any], known: dict[str, Any], source: str | None) -> None:
        kind = known.get("kind") or ("embedding" if re.search(r"embed", name) else "chat")
        if kind == "chat" and not any("output" in period for period in periods):
            return
        model: dict[str, Any] = {"provider": provider, "model": name, "kind": kind}
        if "api" in known:
            model["api"] = known["api"]
        if source:
            model["price_source"] = source
        if aliases:
            model["aliases"] = sorted(aliases)
        if rules:
            model["match"] = rules
        if kind == "embedding":
            for period in periods:
                if period.get("output") == "0":
                    del period["output"]
        model["prices"] = periods
        known = {**known, **OVERRIDES.get((provider, name), {})}
        for key in ("context_window", "max_input", "max_output", "dimensions", "shutdown", "capabilities"):
            if key in known:
                model[key] = known[key]
        if kind == "chat":
            model["parameters"] = parameters(provider, name)
            if known.get("capabilities", {}).get("tools") is False:
                model["parameters"].pop("forced_tool_choice", None)
        self.models.append(model)

    def provider(self, name: str, source: str | None, keys: list[str], extra: list[str], curated: bool) -> None:
        for item in self.genai[source]["models"] if source else []:
            ids, rules = matching(item)
            ids = [i for i in ids if not self.skipped(name, i)]
            if name == "fireworks":
                ids.sort(key=lambda i: not i.startswith("accounts/"))  # the id that its API takes
            if name == "bedrock" and ids and ids[0].startswith("regional."):
                # not an id of the API: use the id of the in-region endpoint
                ids = [i for i in ids if not i.startswith("regional.")] or [ids[0].removeprefix("regional.")]
            if not ids or not item["prices"] or self.skipped(name, item["id"]):
                continue
            periods = genai_periods(item, self.today)
            if any("input" not in period for period in periods):
                continue
            if name in ("together", "groq", "fireworks") and not item.get("context_window") and not self.entry(keys, ids[0]):
                continue  # gone long ago
            for group in self.groups(name, ids, keys, curated, item):
                main, known = group
                rest = [i for i in main[1:]]
                self.emit(name, main[0], rest, rules if ids[0] in main else [], json.loads(json.dumps(periods)), known, None)
        mine = [model for model in self.models if model["provider"] == name]
        added = []
        for key, entry in self.litellm.items():
            if entry.get("litellm_provider") not in extra or entry.get("mode") not in ("chat", "responses", "embedding"):
                continue
            short = key.split("/", 1)[1] if keys[-1] != "{}" and key.startswith(keys[-1].split("/")[0] + "/") else key
            if self.skipped(name, short) or resolve(mine, short) or short.startswith("ft:") or "/" in short and name != "groq":
                continue
            if entry.get("deprecation_date", "9999") < (self.today - datetime.timedelta(days=183)).isoformat():
                continue
            periods = litellm_periods(entry)
            if periods:
                added.append((short, periods, facts(entry, curated)))
        # dated ids with the same data become aliases of the undated one
        by_name = {short: (periods, known) for short, periods, known in added}
        for short, periods, known in added:
            base = undated(short)
            if base != short and by_name.get(base) == (periods, known):
                continue
            aliases = [other for other, p, k in added if other != short and undated(other) == short and (p, k) == (periods, known)]
            self.emit(name, short, aliases, [], periods, known, "litellm")

    def groups(self, provider: str, ids: list[str], keys: list[str], curated: bool, item: Obj) -> list[tuple[list[str], dict[str, Any]]]:
        """Split ids of one price entry where limits, shutdown or parameters differ."""
        found: list[tuple[list[str], dict[str, Any], dict[str, Any]]] = []
        main_facts: dict[str, dict[str, Any]] = {}
        for i in ids:
            entry = self.entry(keys, i) or self.entry(keys, SIBLINGS.get(i, i))
            known = facts(entry, curated)
            if entry is None and provider == "bedrock":  # what the maker's own API says, but for the shutdown
                short = re.sub(r"(-v\d)?(:\d)?$", "", family(i))
                entry = self.entry(["{}"], SIBLINGS.get(short, short))
                known = facts(entry, True)
                known.pop("shutdown", None)
            if entry is None:
                near = next((n for n in (undated(i), family(i), ids[0]) if n in main_facts), None)
                if near and parameters(provider, near) == parameters(provider, i):
                    known = json.loads(json.dumps(main_facts[near]))
            main_facts[i] = json.loads(json.dumps(known))
            if provider == "openrouter":
                known = self.inherit(i)
            window = item.get("context_window")
            if i == ids[0] or undated(i) == undated(ids[0]) or known.get("context_window", window or 0) * 2 > (window or 0):
                merge_limits(known, window)
            row = parameters(provider, i)
            for group in found:
                # Of a dated id only limits and shutdown count: its flags are often less well kept.
                loose = undated(i) == undated(group[0][0]) and group[1] and known
                same = all(group[1].get(k) == known.get(k) for k in {*group[1], *known} - ({"capabilities"} if loose else set()))
                if same and group[2] == row:
                    group[0].append(i)
                    break
            else:
                found.append(([i], known, row))
        return [(names, known) for names, known, _ in found]

    def inherit(self, name: str) -> dict[str, Any]:
        """Facts of a model behind OpenRouter: those of the maker's own entry."""
        makers = {"mistralai": "mistral", "x-ai": "xai"}
        maker, _, short = name.partition("/")
        models = [model for model in self.models if model["provider"] == makers.get(maker, maker)]
        short = undated(short)
        for candidate in (short, short.replace(".", "-")):
            for model in models:
                if candidate in (model["model"], *model.get("aliases", [])):
                    return {key: json.loads(json.dumps(model[key])) for key in ("kind", "context_window", "max_output", "capabilities") if key in model}
        return {}

    def build(self) -> list[dict[str, Any]]:
        for row in PROVIDERS:
            self.provider(*row)
        seen: set[tuple[str, str]] = set()
        for model in self.models:
            for name in (model["model"], *model.get("aliases", [])):
                if (model["provider"], name.lower()) in seen:
                    sys.exit(f"twice: {model['provider']} {name}")
                seen.add((model["provider"], name.lower()))
        self.models.sort(key=lambda model: (model["provider"], model["model"]))
        return self.models


def write(path: Path, models: list[dict[str, Any]], today: datetime.date) -> None:
    sources = [
        {"name": name, "version": version, "licence": licence, "url": url, "date": today.isoformat()}
        for name, (version, licence, url) in SOURCES.items()
    ]
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    lines = ",\n".join(json.dumps(model, **compact) for model in models)  # type: ignore[arg-type]
    head = f'{{"version":"{today.isoformat()}",\n"sources":{json.dumps(sources, **compact)},\n'  # type: ignore[arg-type]
    path.write_text(head + '"models":[\n' + lines + "\n]}\n", encoding="utf-8")


# ---------------------------------------------------------------------------------------
# Checks


def clause_hit(clause: Obj, name: str) -> bool:
    """Matching as genai-prices does it."""
    if clause.kind == "ClauseOr":
        return any(clause_hit(part, name) for part in clause["or_"])
    if clause.kind == "ClauseAnd":
        return all(clause_hit(part, name) for part in clause["and_"])
    value = next(iter(clause.values()))
    if clause.kind == "ClauseRegex":
        return bool(re.search(value, name))
    value = value.lower()
    tests = {"Equals": str.__eq__, "StartsWith": str.startswith, "EndsWith": str.endswith, "Contains": str.__contains__}
    return tests[clause.kind.removeprefix("Clause")](name, value)


def current(periods: list[dict[str, Any]], today: datetime.date) -> dict[str, Any]:
    return [period for period in periods if period.get("from", "") <= today.isoformat()][-1]


def check(builder: Builder) -> str:
    out: list[str] = []
    lists: dict[str, list[dict[str, Any]]] = {}
    for model in builder.models:
        lists.setdefault(model["provider"], []).append(model)
    out.append("Base prices: genai-prices against LiteLLM's map, chat and embedding models in both")
    for name, source, keys, _, _ in PROVIDERS:
        same, differ = 0, []
        for model in lists.get(name, []):
            entry = builder.entry(keys, model["model"])
            other = litellm_periods(entry) if entry else []
            if model.get("price_source") or not other:
                continue
            now = current(model["prices"], builder.today)
            pair, theirs = [now.get(k) for k in ("input", "output")], [other[0].get(k) for k in ("input", "output")]
            if model["kind"] == "embedding":
                pair, theirs = pair[:1], theirs[:1]
            if pair == theirs:
                same += 1
            else:
                differ.append(f"    {model['model']}: {'/'.join(map(str, pair))} against {'/'.join(map(str, theirs))}")
        out.append(f"  {name}: {same} agree, {len(differ)} differ")
        out += differ if name in ("openai", "anthropic", "google") else [f"{line}" for line in differ[:6]]
    out.append("Long-context, cached and cache-write prices (openai, anthropic, google)")
    for name in ("openai", "anthropic", "google"):
        same, differ = 0, []
        for model in lists[name]:
            entry = builder.entry(next(row[2] for row in PROVIDERS if row[0] == name), model["model"])
            other = litellm_periods(entry) if entry else []
            if model.get("price_source") or not other or model["kind"] != "chat":
                continue
            now = current(model["prices"], builder.today)
            bad = [k for k in ("cached_input", "cache_write_5m", "cache_write_1h", "over") if now.get(k) != other[0].get(k)]
            same += not bad
            if bad:
                differ.append(f"    {model['model']}: " + "; ".join(f"{k} {json.dumps(now.get(k))} against {json.dumps(other[0].get(k))}" for k in bad)[:230])
        out += [f"  {name}: {same} agree, {len(differ)} differ", *differ]
    out.append("Id resolution: catalogue rules against genai-prices' own matching, over all ids that LiteLLM lists")
    for name, source, keys, extra, _ in PROVIDERS:
        if not source:
            continue
        ids = {key.removeprefix(k.split("{")[0]) for k in keys for key in builder.litellm if key.startswith(k.split("{")[0])}
        ids |= {clause["equals"] for item in builder.genai[source]["models"] for clause in flatten(item["match"]) if clause.kind == "ClauseEquals"}
        same = wrong = 0
        for i in sorted(ids):
            theirs = next((m for m in builder.genai[source]["models"] if clause_hit(m["match"], i.lower())), None)
            mine = resolve(lists[name], i)
            if theirs is None or mine is None or mine.get("price_source") or builder.skipped(name, i) or builder.skipped(name, theirs["id"]):
                continue
            if mine["prices"] == json.loads(json.dumps(genai_periods(theirs, builder.today))) or mine["kind"] == "embedding":
                same += 1
            else:
                wrong += 1
                out.append(f"    {name} {i}: {mine['model']} against {theirs['id']}")
        out.append(f"  {name}: {same} equal, {wrong} differ")
    out.append("Parameter table against LiteLLM's flags")
    agree = 0
    for name in ("openai", "anthropic", "google", "mistral", "xai", "deepseek"):
        keys = next(row[2] for row in PROVIDERS if row[0] == name)
        for model in lists[name]:
            entry = builder.entry(keys, model["model"])
            if not entry or model["kind"] != "chat":
                continue
            row, bad = model["parameters"], []
            tests = [
                ("supports_sampling_params", lambda v: (row["sampling"] != "never") == v),
                ("supports_forced_tool_use", lambda v: row.get("forced_tool_choice") == v),
                ("thinking_always_on", lambda v: (row.get("reasoning") == "always") == v),
                ("supports_assistant_prefill", lambda v: row.get("prefill", v) == v),
                ("supports_none_reasoning_effort", lambda v: ("none" in row.get("efforts", [])) == v),
                ("supports_xhigh_reasoning_effort", lambda v: ("xhigh" in row.get("efforts", [])) == v),
                ("supports_minimal_reasoning_effort", lambda v: ("minimal" in row.get("efforts", [])) == v),
                ("supports_reasoning", lambda v: (row.get("reasoning", "?") == "none") != v),
                ("reasoning_effort_levels", lambda v: set(v) == set(row.get("efforts", v))),
            ]
            for flag, test in tests:
                if flag in entry:
                    agree += 1
                    if not test(entry[flag]):
                        bad.append(f"{flag}={entry[flag]}")
                        agree -= 1
            if bad:
                out.append(f"    {name} {model['model']}: {', '.join(bad)}; table: {row.get('reasoning')}, efforts {row.get('efforts')}")
    out.append(f"  {agree} flags agree")
    out.append("Models, aliases, with shutdown date, without capabilities, price taken from LiteLLM")
    for name, models in sorted(lists.items()):
        counts = (
            len(models),
            sum(len(m.get("aliases", [])) for m in models),
            sum("shutdown" in m for m in models),
            sum(m["kind"] == "chat" and "capabilities" not in m for m in models),
            sum("price_source" in m for m in models),
        )
        out.append("  %-11s %4d %4d %4d %4d %4d" % (name, *counts))
    out.append("  total %d" % len(builder.models))
    return "\n".join(out) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genai-prices", type=Path, required=True, metavar="WHEEL", help="wheel or unpacked folder")
    parser.add_argument("--litellm", type=Path, required=True, metavar="WHEEL", help="wheel or unpacked folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="catalogue.json to write")
    parser.add_argument("--date", type=datetime.date.fromisoformat, default=datetime.date.today(), help="version of the catalogue (default: today)")
    parser.add_argument("--check", type=Path, metavar="FILE", help="also compare the two sources and write the result")
    args = parser.parse_args()
    check_version(args.genai_prices, "genai_prices", SOURCES["genai-prices"][0])
    check_version(args.litellm, "litellm", SOURCES["litellm"][0])
    genai = read_genai(args.genai_prices)
    litellm = json.loads(read_member(args.litellm, "litellm/model_prices_and_context_window_backup.json"))
    litellm.pop("sample_spec", None)
    builder = Builder(genai, litellm, args.date)
    models = builder.build()
    write(args.out, models, args.date)
    print(f"{args.out}: {len(models)} models, {args.out.stat().st_size} bytes")
    if args.check:
        args.check.write_text(check(builder), encoding="utf-8")


if __name__ == "__main__":
    main()
