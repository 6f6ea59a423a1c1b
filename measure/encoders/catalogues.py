"""Prints prompts in the languages of `languages.mjs` as JSONL: messages of Django's catalogues, a text that no factor was fitted on."""

import gettext
import json
from pathlib import Path

import django

LANGUAGES = {
    "German": "de", "French": "fr", "Spanish": "es", "Portuguese": "pt", "Italian": "it", "Dutch": "nl", "Turkish": "tr",
    "Vietnamese": "vi", "Hungarian": "hu", "Polish": "pl", "Finnish": "fi", "Indonesian": "id", "Swahili": "sw", "Russian": "ru",
    "Ukrainian": "uk", "Greek": "el", "Hebrew": "he", "Arabic": "ar", "Persian": "fa", "Hindi": "hi", "Bengali": "bn",
    "Tamil": "ta", "Thai": "th", "Georgian": "ka", "Armenian": "hy", "Chinese": "zh_Hans", "Japanese": "ja", "Korean": "ko",
    "Urdu": "ur",
}
PIECE = 2000
# Of one language; all of them are written about evenly then.
MOST_PIECES = 8
# Shorter messages are names and labels.
LEAST_WORDS = 5

root = Path(django.__file__).parent
for name, code in LANGUAGES.items():
    messages = []
    for path in sorted(root.glob(f"**/locale/{code}/LC_MESSAGES/*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog
        for english, message in catalogue.items():
            words = (english[0] if isinstance(english, tuple) else english).split()
            if len(words) >= LEAST_WORDS:
                messages.append(message)
    text = "\n".join(messages)
    for at in range(0, min(len(text) - PIECE // 2, MOST_PIECES * PIECE), PIECE):
        print(json.dumps({"source": name, "messages": [{"role": "user", "content": text[at : at + PIECE]}]}, ensure_ascii=False))
