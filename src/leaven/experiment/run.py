"""What helped, whom, and what harmed? From a spec to a run folder, top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from leaven.augmentation import Plan, Step, load, preview, write
from leaven.augmentation.expansion import workers_of
from leaven.config import Arm, Spec, repeat_of, resolved
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.experiment import facts as summary
from leaven.experiment import parallel_training, tasks
from leaven.experiment.incremental_expansion import lessened, take_over_rows
from leaven.experiment.item_views import before_after, check_readers, written
from leaven.experiment.preparation import Prepared, prepare
from leaven.experiment.synthetic_quality import judge_arms, refuse
from leaven.experiment.trial import Bench, Expanded, Trial, judged_by, rows_follow, trial
from leaven.progress import Tell, quiet, within
from leaven.protocols import Engine
from leaven.registry import made
from leaven.report.html import write as write_page
from leaven.run_folder import (
    FACTS,
    LOCK,
    RECORDS,
    REPORT,
    SPEC,
    VIEWS,
    Run,
    create,
    fingerprint,
    write_json,
    write_text,
)


def run(
    spec: Spec,
    out: Path,
    resume: bool = False,
    engine: Engine | None = None,
    tell: Tell = quiet,
    at_once: int = 1,
) -> Run:
    """The whole experiment: every arm with every seed, compared, and the report written.

    The same spec in the same folder with `resume` goes on where it stopped. `engine` makes the rows; any engine
    and any number of workers give the same bytes. at_once: trainings side by side, 0: one a core (`ahead.train`).

    Raises LeavenError for a spec or data that cannot be used; what was finished stays. GateError, once all is written,
    where the rows of an arm do not pass a gate of the spec.
    """
    check_readers(spec)
    folder = create(out, resume)
    write_text(folder.folder / SPEC, tomli_w.dumps(resolved(spec)))
    with _opened(engine) as workers:
        prepared = prepare(spec, folder, tell)
        write_json(folder.folder / LOCK, summary.lock(spec, prepared.fingerprint))
        tasks.of(spec).check(spec, prepared.split)
        arms = _expanded(spec, prepared, folder, workers, tell)
    bench = _bench(spec, prepared, folder)
    parallel_training.train(bench, arms, at_once, tell)
    seeds_of_training = range(1, spec.evaluate.seeds + 1)
    total, trials = len(arms) * spec.evaluate.seeds, list[Trial]()
    for seed in seeds_of_training:  # all arms of a seed before the next: an early stop leaves whole pairs
        for arm in arms:
            told = within(tell, f"{arm.arm.name}, seed {seed} ({len(trials) + 1} of {total})")
            trials.append(trial(bench, arm, seed, told))
    judging = judge_arms(spec, prepared, folder, [(arm.arm, arm.once, arm.mark) for arm in arms], tell)
    tell(0, 0, "comparing")
    facts = summary.facts(spec, prepared, folder, [arm.fact for arm in arms], trials)
    facts = summary.judged(facts, judging)
    summary.write_records(trials, tasks.of(spec).users(prepared.split), folder.folder / RECORDS)
    write_json(folder.folder / FACTS, facts)
    write_page(folder.folder / FACTS, folder.folder / REPORT)
    tell(1, 1, "comparing")
    refuse(facts.get("judging", {}))
    return folder


def _expanded(spec: Spec, prepared: Prepared, run: Run, engine: Engine | None, tell: Tell) -> list[Expanded]:
    """The arms of the spec, between the baseline and the control, whose size follows from theirs."""
    baseline = Expanded(
        Arm(BASELINE), partial(getattr, prepared.split, "train"), prepared.fingerprint, {"name": BASELINE}
    )
    arms = [_expand(spec, arm, prepared, run, engine, tell) for arm in spec.arms]
    most = max((int(arm.fact["rows_new"]) for arm in arms), default=0)
    control = _expand(spec, _control(spec, len(prepared.split.train), most), prepared, run, engine, tell)
    return [baseline, control, *arms]


def _control(spec: Spec, real: int, most: int) -> Arm:
    """As many copies of real rows as the largest plan adds; as many as there are where plans only change rows."""
    copies = made("strategies", "to_total", {"total": real + (most or real)})
    return Arm(CONTROL, Plan([Step(repeat_of(spec), copies=copies)]))


def _expand(spec: Spec, arm: Arm, prepared: Prepared, run: Run, engine: Engine | None, tell: Tell) -> Expanded:
    """Write the rows that an arm makes once; they stay in files until they are trained on."""
    train = prepared.split.train
    catalog = getattr(train, "catalog", None)  # labelled rows have none
    mark = rows_follow(prepared.fingerprint, spec.seed, arm.plan)
    folder = run.arm(arm.name) / "expanded"
    told = within(tell, arm.name)
    with run.stage(f"rows {arm.name}", mark, [folder]) as stage:
        if not stage.done:
            expansion = write(train, arm.plan, folder, spec.seed, engine, _shards(engine), told)
            stage.facts |= {"steps": list(expansion.steps)}
            if not stage.facts.get("previews"):  # rows remade without a step have some already
                shown = preview(arm.plan, train, 10, spec.seed, expansion.fitted)
                stage.facts |= {"previews": [one.as_dict() for one in shown]}
            stage.facts |= written(spec, arm.plan, catalog, run.arm(arm.name) / VIEWS, stage.facts)
    added = sum(int(step["made"]) for step in stage.facts["steps"] if step["mode"] == "add" and "on" not in step)
    fact = {"name": arm.name, "combine": arm.plan.combine, "rows_real": len(train), "rows_new": added}
    fact |= stage.facts | {"seconds": stage.seconds}
    return Expanded(arm, partial(load, folder, arm.plan, train), mark, fact)


def _opened(engine: Engine | None) -> AbstractContextManager[Engine | None]:
    """An engine for all arms, which gets ready while the data are read."""
    return nullcontext() if engine is None else engine.opened("leaven.augmentation.expansion")


def _shards(engine: Engine | None) -> int:
    """So many for each worker that the last of them to end keeps the others waiting for a short while only."""
    return 1 if engine is None else 64 * workers_of(engine)


def _bench(spec: Spec, prepared: Prepared, run: Run) -> Bench:
    """Every arm takes as many optimiser steps as the recommender would on the real rows."""
    steps = spec.evaluate.steps or spec.recommender.steps(prepared.split.train)
    return Bench(spec, run, prepared.split, steps, fingerprint(prepared.fingerprint, judged_by(spec)))


def outline(spec: Spec) -> dict[str, Any]:
    """What `run` would do, without doing it: the resolved spec, how many trainings of which arms, how many pilots."""
    arms = [BASELINE, CONTROL, *(arm.name for arm in spec.arms)]
    shares = {arm.plan.controller.pilot_share for arm in spec.arms if arm.plan.controller is not None} - {0.0}
    trained = {"trainings": len(arms) * spec.evaluate.seeds, "pilots": len(shares) * spec.evaluate.seeds}
    return {"spec": resolved(spec), "arms": arms, **trained}


def expand_arm(
    spec: Spec,
    name: str,
    out: Path,
    resume: bool = False,
    engine: Engine | None = None,
    tell: Tell = quiet,
    without: Sequence[str] = (),
) -> Run:
    """Only the data: the split, and the real and new rows of one arm as Parquet with lineage.

    without: steps that the plan shall not have had. Where the folder holds the arm's rows already, only those of
    steps that read rows of these are made again; the bytes are as if the plan had never had them, with the names that
    its steps have.

    Raises SpecError for an unknown arm or step.
    """
    wish = lessened(spec, name, without) if without else spec
    arm = wish.arm(name)
    folder = create(out, resume or bool(without))
    with _opened(engine) as workers:
        prepared = prepare(wish, folder, tell)
        if without:
            take_over_rows(folder, wish, name, prepared)
        write_text(folder.folder / SPEC, tomli_w.dumps(resolved(wish)))
        write_json(folder.folder / LOCK, summary.lock(wish, prepared.fingerprint))
        done = _expand(wish, arm, prepared, folder, workers, tell)
    write_json(folder.folder / FACTS, {"name": wish.name, "data": prepared.facts, "arms": [done.fact]})
    return folder


def preview_arms(spec: Spec, name: str | None, rows: int, scratch: Path, tell: Tell = quiet) -> Mapping[str, Any]:
    """arm -> before and after on some of the user's own rows. scratch: an empty folder for the split."""
    arms = [spec.arm(name)] if name else list(spec.arms)
    prepared = prepare(spec, Run(scratch), tell)
    train = prepared.split.train
    return {
        arm.name: [one.as_dict() for one in preview(arm.plan, train, rows, spec.seed)]
        + before_after(spec, arm.plan, getattr(train, "catalog", None), rows, scratch / VIEWS)
        for arm in arms
    }
