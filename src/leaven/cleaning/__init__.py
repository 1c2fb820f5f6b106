"""Finds and removes corrupt lines of a log, rule by rule.

clean_events    the remaining events, and what each rule dropped
survey_events   what each rule alone finds in the log as read; nothing is dropped
"""

from __future__ import annotations

from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.pipeline import CleaningResult, clean_events, survey_events

__all__ = ["CleaningConfig", "CleaningResult", "clean_events", "survey_events"]
