"""Facts of a run that never was, with everything that a page can show."""

from typing import Any

import numpy as np

from leaven.facts import RunFacts, to_json
from leaven.stats import ComparisonConfig, build_facts, build_headline, build_summary, compare_variants
from unit.stats.worlds import world

EVIL = '<script>alert("x")</script> & "quoted" \'name\''
NAMES = [
    "paper chain kit",
    "red retrospot mug",
    "jumbo bag pink",
    "heart of wicker",
    "lunch box with cutlery",
    "保湿面霜 50 毫升",
]
ARMS = {"repeat": 0.002, "crop and substitute": 0.09, "markov rows": 0.0, "shuffle everything": -0.25}


def _comparison() -> tuple[dict[str, Any], dict[str, Any]]:
    values = world(3, ARMS, users=2400, training=0.7)
    chance = np.random.default_rng(5)
    history = chance.choice(["short (3-4)", "middle (5-8)", "long (9-120)"], 2400)
    next_item = chance.choice(["head", "tail", "cold"], 2400, p=[0.55, 0.4, 0.05])
    values["markov rows"][:, next_item == "cold"] += 0.12
    scaled = {arm: table / 6 for arm, table in values.items()}
    quick = [ComparisonConfig(name, key=7) for name in ("ndcg@10", "recall@10", "mrr@10")]
    main = compare_variants(scaled, quick[0], {"history": history, "next item": next_item})
    others = [
        compare_variants({arm: t * (1.6 - 0.7 * i) for arm, t in scaled.items()}, q) for i, q in enumerate(quick[1:])
    ]
    coverage = {"baseline": 0.6132, "repeat": 0.6101, "crop and substitute": 0.6519, "markov rows": 0.6874}
    verdict = {"headline": build_headline(main), "sentences": build_summary(main)}
    return to_json(build_facts(main, others, {"coverage@10": coverage}, best_possible=0.0907)), verdict


def _health() -> dict[str, Any]:
    chance = np.random.default_rng(1)
    lengths = {str(length): int(9000 / length**1.4) for length in range(1, 51)}
    popularity = [int(4200 / rank**0.8) for rank in range(1, 3401)]
    per_day = [[f"2011-{1 + d // 28:02d}-{1 + d % 28:02d}", int(v)] for d, v in enumerate(chance.poisson(1200, 336))]
    return {
        "users": 4338,
        "items": 3665,
        "events": 397_884,
        "density": 0.02503,
        "median_length": 27,
        "gini_of_items": 0.7142,
        "first_day": "2010-12-01",
        "last_day": "2011-12-09",
        "tie_share": 0.8724,
        "length_histogram": lengths,
        "popularity": popularity,
        "per_day": per_day,
        "hours": {str(hour): int(chance.poisson(900 if 8 <= hour <= 18 else 60)) for hour in range(24)},
    }


def _arm(name: str, made: int) -> dict[str, Any]:
    first = {
        "index": 1,
        "name": "crop",
        "mode": "append",
        "when": "each_epoch",
        "description": "keep a window of 60 to 90 per cent",
        "synthetic": made,
        "unchanged": {"shorter than 3 events": 212},
        "rejected": {},
        "weight": 1.0,
    }
    second = {
        "index": 2,
        "name": "substitute",
        "mode": "append",
        "when": "once",
        "description": "swap items for similar ones",
        "synthetic": made - 31,
        "unchanged": {"no similar item": 97},
        "rejected": {"copy of a real row": 31},
        "weight": 0.5,
    }
    previews = [
        {"step": "crop", "before": NAMES, "after": NAMES[1:5], "changed": []},
        {
            "step": "substitute",
            "before": [*NAMES[:3], "door mat"],
            "after": [NAMES[0], EVIL, NAMES[2], "door mat"],
            "changed": [1],
        },
        {"step": "substitute", "before": NAMES * 6, "after": [*NAMES * 5, *NAMES[:5], "tea towel"], "changed": [35]},
    ]
    arm = {"name": name, "combine": "joint", "steps": [first, second], "previews": previews}
    text = {"item": "B004", "before": [["soft", True], [" cream", False]], "after": [["mild", True], [" cream", False]]}
    odd = {"item": "B005", "before": [[EVIL, False]], "after": [["x" * 400, True], [" end", False]]}
    arm["galleries"] = [{"step": "synonyms", "column": "title", "unchanged": 0.125, "examples": [text, odd]}]
    return arm | {"real_rows": 4338, "synthetic_rows": 2 * made - 31}


def _fits() -> list[dict[str, Any]]:
    fits = []
    for place, arm in enumerate(["baseline", *ARMS]):
        for seed in (1, 2, 3):
            fit = {"variant": arm, "seed": seed, "seconds": 208.3 + seed, "steps": 2500, "targets": 1_276_500}
            stopped = "no improvement in 5 validations" if seed < 3 else "all steps done"
            fits.append(fit | {"peak_mb": 702.4, "curve": _curve(place, seed), "stopped": stopped})
    return fits


def _curve(place: int, seed: int) -> list[dict[str, float]]:
    level = 0.055 + 0.002 * place + 0.0007 * seed
    return [
        {
            "step": step,
            "loss": float(6 * np.exp(-step / 900) + 2.1 + 0.05 * place),
            "ndcg": float(level * (1 - np.exp(-step / 500))),
        }
        for step in range(100, 2600, 100)
    ]


def _rule(rule: str, touched: int, dropped: int, examples: list[Any], note: str = "") -> dict[str, Any]:
    return {"rule": rule, "touched": touched, "dropped": dropped, "note": note, "examples": examples}


CANCELLED = [{"invoice": "C536379", "item": "D", "quantity": -1}, {"invoice": "C536383", "item": "35004C"}]
CLEANING = [
    _rule("missing_user", 135_080, 135_080, [{"line": 623, "item": "22139", "quantity": 56}], "belongs to no history"),
    _rule("cancelled", 9_288, 8_905, CANCELLED),
    _rule("exact_duplicates", 5_268, 5_225, []),
    _rule("several_descriptions", 1_302, 0, [EVIL], "the most frequent one is kept"),
]

READING = {"file": "online_retail.csv.gz", "lines": 541_909, "encoding": "utf-8", "times": "%Y-%m-%d %H:%M"}
SPLIT = {
    "kind": "time",
    "train_events": 318_307,
    "valid_users": 1102,
    "test_users": 2400,
    "unseen_items_in_test": 48,
    "leave_one_out_leak_share": 0.3341,
    "targets_on_a_tie": 1033,
}


def _decision(step: int, strength: float, why: str, flag: str = "") -> dict[str, Any]:
    stratum = {"name": "all", "users": 55, "control": 6.25 + step / 1e4, "probe": 5.75, "gap": 0.5 + step / 1e4}
    row = {"variant": "crop and substitute", "seed": 1, "step": step, "progress": step / 4000, "reason": why}
    row |= {"strength": [strength], "share": [strength], "active_step": "crop", "flag": flag}
    return row | {"strata": [stratum | {"target": 0.4}]}


FLAG = "stop-loss at step 600: control loss +0.120 ± 0.041 against the un-augmented pilot"
DECISIONS = [
    _decision(200, 0.0, "warm-up"),
    _decision(400, 0.25, "up: overfits, gap 0.54, target 0.40 ± 0.04"),
    _decision(600, 0.0, FLAG, FLAG),
]
SECONDS = {"read": 3.1, "clean": 4.62, "split": 0.8, "expand": 1.9, "train": 3142.5, "evaluate": 61.2, "report": 2.2}
REPEAT = {
    "command": "leaven run runs/retail/spec.toml --out runs/again",
    "fingerprint": "9f2c66aa01d8be47",
    "versions": {"python": "3.11.9", "numpy": "2.4.6", "torch": "2.13.0", "duckdb": "2.0.0"},
    "machine": {"processor": "x86_64", "cores": 2, "memory_mb": 15_900, "device": "cpu"},
}


def _figure(kind: str, group: str, verdict: str, value: float, better: str = "low", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "group": group,
        "summary": f"What {kind} says of rows.",
        "better": better,
        "value": value,
        "interval": [value - 0.0625, value + 0.0625],
        "n": 83,
        "reference": 0.4375,
        "reference_range": [0.375, 0.5],
        "percentile": 0.9,
        "p": 0.0476,
        "verdict": verdict,
        "details": more,
    }


def _judgement(better: float) -> dict[str, Any]:
    figures = [
        _figure("frechet", "fidelity", "close", 0.75 - better),
        _figure("indd", "fidelity", "worse", 1.5, shift=-0.375, shift_direction="too smooth"),
        _figure("classifier_auc", "fidelity", "as_real", 0.5625, separating_features=[["hour", 0.25], [EVIL, 0.125]]),
        _figure("coverage", "diversity", "as_real", 0.8125 + better, "high"),
        _figure("attack_rare", "privacy", "as_real", 0.53125, tpr=0.015625),
        _figure("closest_record", "privacy", "check", 0.25, "real"),
    ]
    shares = {"training": [0.25, 0.75], "held out": [0.375, 0.625], "new": [1.0, 0.0]}
    line = {"title": "How far", "unit": "distance", "names": ["0", "0.5"], "edges": [0.0, 0.5], "shares": shares}
    pair = {"rank": "nearest", "distance": 0.125, "new": [NAMES[0], EVIL], "real": [*NAMES[:2]], "shared": [0]}
    return {
        "modality": "histories",
        "verdicts": {
            "fidelity": "worse",
            "diversity": "as_real",
            "consistency": "check",
            "memorization": "check",
            "privacy": "as_real",
        },
        "deciding_metrics": {"fidelity": "indd", "diversity": "coverage", "privacy": "attack_rare"},
        "figures": figures,
        "skipped_metrics": {"next_rank": "needs a recommender"},
        "setup": {
            "seed": 7,
            "n_splits": 20,
            "rows": {"new": 4126, "real": 4338, "held_out": 251},
            "compared": {"new": 4000, "held_out": 166},
        },
        "gates": [{"gate": "max_indd=0.25", "value": 1.5, "passed": False, "reason": ""}],
        "copies": [{"row": "1", "source": EVIL}],
        "n_copies": 12,
        "distributions": [{**line, "title": EVIL, "names": ["few", "many"], "edges": []}, line],
        "neighbors": [pair],
    }


def _judging() -> dict[str, Any]:
    told = [
        {"kind": "coverage", "rho": 0.875, "low": 0.25, "high": 0.9375},
        {"kind": "indd", "rho": -0.5, "low": -0.8125, "high": 0.375},
    ]
    effect = {"variant": "crop and substitute", "against": "baseline", "metric": "ndcg@10", "lift": 0.0625}
    effect |= {"low": 0.03, "high": 0.09, "verdict": "helped"}
    variants = {"crop and substitute": {"facts": _judgement(0.125), "effect": effect}}
    variants |= {"markov rows": {"facts": _judgement(0.0), "effect": effect}, "empty": {"skipped": EVIL}}
    return {"variants": variants, "seconds": 9.5, "prediction": {"n_variants": 5, "min_variants": 4, "figures": told}}


def full() -> RunFacts:
    """Everything."""
    return RunFacts.from_json(full_json())


def full_json() -> dict[str, Any]:
    """Everything, as in the file."""
    comparison, verdict = _comparison()
    return {
        "format": 2,
        "leaven": "0.1.0",
        "name": "retail",
        "seed": 7,
        "verdict": verdict,
        "comparison": comparison,
        "data": {"reading": READING, "cleaning": CLEANING, "statistics": _health(), "split": SPLIT},
        "variants": [_arm("crop and substitute", 4126), _arm("markov rows", 4338)],
        "trainings": _fits(),
        "decisions": DECISIONS,
        "cost": {"seconds": SECONDS, "rows": 8221, "peak_mb": 1207.3, "pilot_steps": 1200},
        "reproduction": REPEAT,
        "quality": _judging(),
    }
