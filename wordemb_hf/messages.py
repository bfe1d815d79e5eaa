"""What the package prints, in English or Chinese.

English sentences are the keys, so that the code reads naturally; `CHINESE` holds the translations. The language is the
environment variable `WORDEMB_HF_LANGUAGE` (`en`, the default, or `zh`). `tests/test_messages.py` finds every
`translate("...")` in the source and fails when a translation is missing or no longer used.
"""

import os

LANGUAGES = ("en", "zh")

CHINESE: dict[str, str] = {}


def language() -> str:
    """The language of what is printed: `en` or `zh`."""
    return "zh" if os.environ.get("WORDEMB_HF_LANGUAGE", "en").lower().startswith("zh") else "en"


def translate(sentence: str, /, **values: object) -> str:
    """`sentence` in the current language, with `{names}` filled from `values` as `str.format` does.

    A sentence without a translation stays English.
    """
    template = CHINESE.get(sentence, sentence) if language() == "zh" else sentence
    return template.format(**values)
