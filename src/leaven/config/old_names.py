"""Former names of spec keys and values, so that an error for an old name gives the new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leaven.errors import suggest_name

OLD_KEYS: Mapping[str, tuple[str, ...]] = {
    "absurd_price_factor": ("price_outlier_factor",),
    "absurd_prices": ("price_outliers",),
    "absurd_quantity_factor": ("quantity_outlier_factor",),
    "across_range": ("horizontal_range",),
    "adversarial_rate": ("adversarial_learning_rate",),
    "alike": ("keep_aspect_ratio",),
    "anchor": ("likelihood_weight",),
    "arm": ("variant",),
    "arms": ("variants",),
    "at": ("boundaries",),
    "at_once": ("n_jobs",),
    "backward": ("backward_weight",),
    "batch": ("batch_size",),
    "before_born": ("before_release",),
    "blocked": ("blocked_words",),
    "bot_moments_per_hour": ("bot_seconds_per_hour",),
    "bounded": ("clip_to_range",),
    "by": ("encoder", "factor", "model", "source", "sources"),
    "ceiling": ("ceiling_quantile",),
    "characters": ("character_ngrams",),
    "choose": ("choose_step",),
    "cold_events": ("max_cold_events",),
    "cold_rows": ("max_cold_rows",),
    "consistency": ("consistency_weight",),
    "contrast": ("contrastive_weight",),
    "contrast_temperature": ("contrastive_temperature",),
    "crosses": ("n_cross_layers",),
    "doubt": ("confidence_shrinkage",),
    "down": ("vertical",),
    "down_range": ("vertical_range",),
    "embedding": ("embedding_dim",),
    "fade": ("distance_decay",),
    "fewest_rows": ("min_rows",),
    "first_stays": ("keep_first",),
    "floor": ("exploration_share",),
    "folds": ("n_folds",),
    "gap_hours": ("session_gap_hours",),
    "groups": ("n_bins",),
    "guard": ("guard_attributes",),
    "heat": ("gumbel_temperature",),
    "ids": ("include_ids",),
    "in_catalog": ("require_in_catalog",),
    "judge": ("quality",),
    "keep": ("default_filters", "filters"),
    "keep_size": ("restore_size",),
    "key_variable": ("api_key_variable",),
    "kl": ("kl_weight",),
    "labelled": ("labeled",),
    "labels": ("label_columns",),
    "learn": ("text_column",),
    "least": ("min_letters", "min_similarity"),
    "least_items": ("min_items",),
    "least_share": ("min_share",),
    "least_similarity": ("min_similarity",),
    "least_texts": ("min_texts",),
    "leaves": ("max_leaves",),
    "lenders": ("donors",),
    "length": ("max_events", "max_length"),
    "levels": ("max_levels",),
    "likeness_range": ("similarity_range",),
    "logs": ("log_columns",),
    "longest_short": ("max_short_events",),
    "looks": ("max_passes", "n_validations"),
    "max_neighbours": ("max_neighbors",),
    "missing_words": ("missing_descriptions",),
    "misspelt_categories": ("misspelled_categories",),
    "mixup": ("mixup_alpha",),
    "most": ("max_rows", "max_share", "max_strength", "max_words"),
    "most_calls": ("max_calls",),
    "most_copies": ("max_copies",),
    "most_events": ("max_events",),
    "most_levels": ("max_levels",),
    "most_new": ("max_new_tokens",),
    "most_positives": ("max_positives",),
    "most_tokens": ("max_tokens",),
    "most_valid_users": ("max_validation_users",),
    "most_words": ("max_words",),
    "moves": ("sampling_steps",),
    "names": ("protect_names", "rename_units"),
    "neighbours": ("n_neighbors", "neighbors"),
    "net": ("factory",),
    "object_share": ("min_object_share",),
    "of": ("strategy", "transform", "transforms"),
    "own": ("history_share",),
    "paint": ("fill",),
    "parts": ("parts_of_speech",),
    "pool": ("pool_ratio",),
    "popular_days": ("popularity_days",),
    "popularity": ("popularity_weight",),
    "price": ("price_weight",),
    "pull": ("balance_share", "exponent"),
    "rank": ("max_rank",),
    "rare": ("balance_categories",),
    "ratio_range": ("aspect_ratio_range",),
    "reach": ("max_distance",),
    "reads": ("input",),
    "recent": ("n_recent",),
    "repeats": ("allow_repeats",),
    "run": ("run_length",),
    "samples": ("n_samples",),
    "seam": ("cut_at",),
    "separate": ("add_separator",),
    "set_events": ("min_set_events",),
    "several": ("multi_valued",),
    "several_texts": ("inconsistent_texts",),
    "share": ("replace_share",),
    "shares": ("weights",),
    "shrink": ("shrinkage",),
    "size": ("run_length",),
    "slips": ("typo_kinds",),
    "smallest_lift": ("min_effect",),
    "spread": ("std",),
    "steers": ("controls",),
    "strength": ("inverse_regularization",),
    "take": ("output",),
    "test": ("test_share",),
    "top": ("max_neighbors", "top_k"),
    "tries": ("max_attempts",),
    "valid": ("valid_share",),
    "value": ("fill_value",),
    "warm": ("warm_up_share",),
    "way": ("method",),
    "weight": ("second_weight",),
    "whole": ("keep_integers", "keep_whole"),
    "words": ("word_ngrams",),
}
"""Old key -> its new names: one of them is a key of the table at hand."""
OLD_VALUES: Mapping[str, tuple[str, ...]] = {
    "add": ("append",),
    "any_order": ("order_agnostic",),
    "blend": ("rank_fusion",),
    "clicks": ("ctr",),
    "cross": ("dcn_v2",),
    "itemknn": ("item_knn",),
    "neighbours": ("neighbors",),
    "picture_model": ("pretrained_image",),
    "pictures": ("images", "image_classifier"),
    "replace": ("in_place",),
    "self": ("recommender_rollouts",),
    "trivial": ("trivial_augment",),
    "words": ("text",),
}
"""Old kind, mode, task or modality -> its new names."""


def suggest_key(key: str, known: Iterable[str]) -> str:
    """How to correct an unknown key: its new name where it is an old one, else the nearest known key.

    >>> suggest_key("smallest_lift", ["metrics", "min_effect"])
    "'smallest_lift' is now 'min_effect'"
    """
    return _suggest(key, known, OLD_KEYS)


def suggest_value(value: str, known: Iterable[str]) -> str:
    """How to correct an unknown kind, mode or task: its new name where it is an old one, else the nearest known one."""
    return _suggest(value, known, OLD_VALUES)


def _suggest(name: str, known: Iterable[str], renamed: Mapping[str, tuple[str, ...]]) -> str:
    names = list(known)
    current = [new for new in renamed.get(name, ()) if new in names]
    return f"{name!r} is now {current[0]!r}" if current else suggest_name(name, names)
