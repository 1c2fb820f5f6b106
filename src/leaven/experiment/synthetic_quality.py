"""Are the rows of each arm alike, varied, consistent, not copied, private, and did any of that tell what helped?

Held out are the control users' rows, as whole as training rows (`unseen_of`): no transform, generator, filter,
encoder, recommender or click model learned from them. (A plan that steers itself saw how well the recommender does
on them.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import catalog_views, epoch_rows, view_steps
from leaven.config import Arm, Spec
from leaven.config.build import table_of
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.ctr_features import SampleParts
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import REAL, Histories
from leaven.datasets.samples import Samples
from leaven.errors import DataError, GateError, MissingExtra
from leaven.experiment.preparation import Prepared
from leaven.protocols import FittedRecommender, Tell
from leaven.quality import Beside, Figure, Gate, Judgement, Judging
from leaven.quality.evaluate import judged
from leaven.quality.image_text_consistency import METRIC, PicturedItems
from leaven.quality.loading import Inputs, Kind, read
from leaven.quality.reference_fit import Studied, study
from leaven.quality.result import plain
from leaven.quality.utility_correlation import predictions
from leaven.run_folder import Run, fingerprint
from leaven.splits.log_splits import Split

JUDGEMENT = "judgement.json"
_HALF = 0.5  # progress of the epoch whose rows are judged: schedules begin and end at 0 more often than they rest there
NOBODY_UNSEEN = (
    "The new rows were not judged: every user of this split trains (with leave-one-out, unless told otherwise), so no "
    "real rows are left that nothing learned from, and no figure would have its reference. To have them judged, write "
    "control_share = 0.05 under [split]: a twentieth of the users is then kept from training."
)
_LISTED = 20  # copies that the facts of the run list; the file of the arm has all

Rows = tuple[Arm, Callable[[], Any], str]
"""An arm, what loads its rows, and their fingerprint."""


def judge_arms(spec: Spec, prepared: Prepared, run: Run, arms: Sequence[Rows], tell: Tell) -> dict[str, Any]:
    """The part `judging` of a run's facts, empty where it is turned off; each judgement lies beside the arm's rows.

    arms: name -> its judgement, JSON-able, or why there is none; skipped: why nothing was judged; seconds.
    """
    if spec.judge is None:
        return {}
    unseen = unseen_of(prepared.split)
    if unseen is None or not len(unseen):
        return {"skipped": NOBODY_UNSEEN}
    judge = _Judge(spec, prepared, run, tell)
    found = {arm.name: judge.arm(arm, once, mark) for arm, once, mark in arms if arm.plan.all}
    seconds = round(sum(one.pop("seconds", 0.0) for one in found.values()), 2)
    return {"arms": {name: one for name, one in found.items() if one}, "seconds": seconds}


def unseen_of(parts: Split | SampleParts) -> Histories | Samples | None:
    """Rows of the control users, as whole as training rows; None where no user is kept apart."""
    return parts.unseen if isinstance(parts, Split) else parts.control


def with_effects(judging: Mapping[str, Any], effects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same with what each arm's rows were good for, and which figures told it."""
    if "arms" not in judging:
        return dict(judging)
    useful = {
        one["arm"]: {key: one.get(key) for key in ("metric", "lift", "low", "high", "verdict")} for one in effects
    }
    arms = {name: one | {"useful": useful.get(name)} for name, one in judging["arms"].items()}
    lifts = {one["arm"]: float(one["lift"]) for one in effects if one.get("lift") is not None}
    return {**judging, "arms": arms, "prediction": predictions(arms, lifts)}


def refuse(judging: Mapping[str, Any]) -> None:
    """Raises GateError where an arm of the spec did not pass a gate."""
    failed = [
        f"{name}, {gate['gate']}: {gate['why'] or format(gate['value'], '.4g')}"
        for name, one in judging.get("arms", {}).items()
        for gate in one.get("gates", ())
        if not gate["passed"]
    ]
    if failed:
        fix = "the run is whole, and its report shows why; make better rows, or loosen the gate and say so"
        raise GateError("judge.gates", "all passed", "; ".join(failed), fix)


class _Judge:
    """Learns from real rows once, when the first arm needs it."""

    def __init__(self, spec: Spec, prepared: Prepared, run: Run, tell: Tell) -> None:
        assert spec.judge is not None
        self.spec, self.prepared, self.run, self.tell = spec, prepared, run, tell
        self.wish: Judging = spec.judge
        self.kind: Kind = "histories" if isinstance(prepared.split, Split) else "table"
        self.studied: Studied | None = None
        self.pictured: PicturedItems | str | None = None

    def arm(self, arm: Arm, once: Callable[[], Any], mark: str) -> dict[str, Any]:
        """The judgement of one arm, from its file where it is done."""
        target = self.run.arm(arm.name) / JUDGEMENT
        wish = table_of(replace(self.wish, gates=()))
        depends = fingerprint(mark, wish, table_of(self.spec.recommender), self.spec.evaluate.steps)
        with self.run.stage(f"judge {arm.name}", depends, [target]) as stage:
            if not stage.done:
                stage.facts = self._judged(arm, once)
        return self._gated(arm.name, stage.facts) | ({"seconds": stage.seconds} if stage.facts else {})

    def _gated(self, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """With the gates of the spec tried; the control is made to copy, and passes by."""
        if name == CONTROL or not self.wish.gates or not found:
            return dict(found)
        figures = tuple(Figure(**one) for one in found.get("figures", ()))
        whole = Judgement(self.kind, figures, found.get("skipped_metrics", {}), {})
        tried = whole.pass_through([Gate.parse(gate) for gate in self.wish.gates]).gates
        return {**found, "gates": [plain(asdict(one)) for one in tried]}

    def _judged(self, arm: Arm, once: Callable[[], Any]) -> dict[str, Any]:
        new = self._made(arm, once())
        if not len(new):
            return self._told_of(arm, self._of_words(arm))
        train, unseen = self.prepared.split.train, unseen_of(self.prepared.split)
        try:
            inputs = read(train, unseen, new, self.kind, self.spec.seed, Beside(getattr(train, "catalog", None)))
            if arm.plan.controller is not None:
                inputs.facts["held_out_users_steered_the_plan"] = True
            found = judged(
                inputs, self._known(inputs), replace(self.wish, gates=()), self.spec.seed, self._told(arm.name)
            )
        except DataError as error:
            return {"skipped": str(error)}
        return self._told_of(arm, self._of_words(arm, found))

    def _told_of(self, arm: Arm, found: Judgement | None) -> dict[str, Any]:
        """The judgement as the facts of the run hold it, written beside the arm's rows; {} where there is none."""
        if found is None:
            return {}
        found.write(self.run.arm(arm.name))
        told: dict[str, Any] = plain(found.as_dict())
        told["skipped_metrics"] = told.pop("skipped")
        return told | {"copies": told["copies"][:_LISTED], "copies_found": len(told["copies"])}

    def _of_words(self, arm: Arm, found: Judgement | None = None) -> Judgement | None:
        """With how well the words that the arm changed still match their items' pictures."""
        if not view_steps(arm.plan) or METRIC not in (self.wish.metrics or (METRIC,)):
            return found
        catalog, seed = self.prepared.split.train.catalog, self.spec.seed
        told = self._match(catalog_views(catalog, arm.plan, seed)(0, _HALF))
        whole = found or Judgement("histories", (), {}, {"seed": seed, "halves": self.wish.halves})
        if isinstance(told, Figure):
            rows = {"compared": {"held_out": 2 * told.n, "new": 2 * told.n}, "rows": {"new": 2 * told.n}}
            return replace(whole, figures=(*whole.figures, told), facts={**rows, **whole.facts})
        return replace(whole, skipped={**whole.skipped, METRIC: told})

    def _match(self, shown: Catalog) -> Figure | str:
        """The figure of the items as a plan describes them; learned once, when the first arm needs it."""
        if self.pictured is None:
            self.tell(0, 0, "judging words · learning what pictures belong to them")
            try:
                key = rng.key(self.spec.seed, "judge", "pictured")
                self.pictured = PicturedItems.of(self.prepared.split.train.catalog, key)
            except MissingExtra as missing:
                self.pictured = f"needs {missing.library}: {missing.fix}"
        return self.pictured if isinstance(self.pictured, str) else self.pictured.figure(shown, self.wish.halves)

    def _made(self, arm: Arm, once: Any) -> Any:
        """Rows that steps made or changed: once, and in one epoch, half-way through."""
        rows = epoch_rows(self.prepared.split.train, once, arm.plan, self.spec.seed, 1)
        whole = rows(0, _HALF)
        return whole.take(np.flatnonzero(whole.origin != REAL))

    def _known(self, inputs: Inputs) -> Studied:
        if self.studied is None:
            self.tell(0, 0, "judging rows · learning from real ones")
            key = rng.key(self.spec.seed, "judge")
            known = Beside(recommender=self._frozen()) if self.kind == "histories" else Beside()
            self.studied = study(inputs.real, inputs.held_out, key, self.wish.most, known)
        return self.studied

    def _frozen(self) -> FittedRecommender:
        """The recommender that learned from the real rows alone, with the first seed."""
        kind: Any = type(self.spec.recommender)
        loaded: FittedRecommender = kind.load(self.run.fit(BASELINE, 1) / "model")
        return loaded

    def _told(self, name: str) -> Tell:
        return lambda done, total, words: self.tell(done, total, f"{name}: {words}")
