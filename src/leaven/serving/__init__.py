"""Trained recommenders outside of leaven: a scorer, exported models, and an HTTP server."""

from leaven.serving.model_export import export_model
from leaven.serving.scorer import Answer, Query, Scorer
from leaven.serving.trained_model import TrainedModel, load_trained_model

__all__ = ["Answer", "Query", "Scorer", "TrainedModel", "export_model", "load_trained_model"]
