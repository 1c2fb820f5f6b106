"""Bodies of requests and answers of the server, checked by pydantic and shown in its OpenAPI page."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from leaven.serving.scorer import Query, Reason
from leaven.serving.user_events import UserEvent

MAX_K, MAX_BATCH, MAX_EVENTS = 1000, 256, 2000

Id = Annotated[str, Field(min_length=1, max_length=512)]
Text = Annotated[str, Field(max_length=10_000)]


class RecommendBody(BaseModel):
    """A request for a list. The history is that of `user`, then `items`, oldest first; one of both is required."""

    model_config = ConfigDict(extra="forbid")

    user: Id | None = None
    items: Annotated[list[Id], Field(max_length=MAX_EVENTS)] | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 10
    exclude: Annotated[list[Id], Field(max_length=10_000)] = []
    filter: Annotated[dict[str, str | list[str]], Field(max_length=20)] = {}
    texts: Annotated[dict[Id, Text], Field(max_length=100)] = {}
    explain: bool = False

    @model_validator(mode="after")
    def _check_history(self) -> RecommendBody:
        if self.user is None and self.items is None:
            raise ValueError("`user` or `items` is required")
        return self

    def build_query(self, events: list[UserEvent]) -> Query:
        """The query of this body; events: those of the user since the model was trained."""
        items = [event.item for event in events] + list(self.items or ())
        times = [event.time for event in events]
        times += [times[-1]] * len(self.items or ()) if times else []
        where = {name: [value] if isinstance(value, str) else value for name, value in self.filter.items()}
        return Query(items, self.user or "", times, self.k, self.exclude, where, self.texts)


class ReasonBody(BaseModel):
    """An event of the history, and how much the item's score falls without it."""

    event: str
    score_loss: float


class ItemBody(BaseModel):
    """One item of a list. because: only where `explain` was requested."""

    item: str
    score: float
    because: list[ReasonBody] | None = None


class AnswerBody(BaseModel):
    """A ranked list. replaced: unknown item -> the item of the catalog with the most similar text."""

    items: list[ItemBody]
    unknown_items: list[str] = []
    replaced: dict[str, str] = {}
    has_history: bool
    model: str


class EventBody(BaseModel):
    """An event of a user; time in seconds since 1970, by default that of its arrival."""

    model_config = ConfigDict(extra="forbid")

    user: Id
    item: Id
    time: Annotated[int, Field(ge=0, le=2**40)] | None = None


class ModelBody(BaseModel):
    """The folder of a run that is served from now on."""

    model_config = ConfigDict(extra="forbid")

    run: Annotated[str, Field(min_length=1, max_length=4096)]
    variant: str = ""


def build_item(item: str, score: float, reasons: list[Reason] | None) -> dict[str, object]:
    """One item of an answer, as JSON."""
    built: dict[str, object] = {"item": item, "score": round(score, 6)}
    if reasons is not None:
        built["because"] = [{"event": one.event, "score_loss": one.score_loss} for one in reasons]
    return built
