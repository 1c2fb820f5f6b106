"""Text generators: rewritten item texts from language models.

`Endpoint` calls a server with the OpenAI chat completions API, `LocalModel` a model in a local folder, and `Titles`
trains a small network on the catalog's titles. Outputs are checked against the source text and cached; rejections are
counted. All are text operators and are used as plan steps.
"""

from __future__ import annotations

from leaven.generators.text.catalog_language_model import CatalogLanguageModel
from leaven.generators.text.endpoint import Endpoint
from leaven.generators.text.local_llm import LocalLanguageModel

__all__ = ["CatalogLanguageModel", "Endpoint", "LocalLanguageModel"]
