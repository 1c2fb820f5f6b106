"""What would a language model write of an item, and is it true?

`Endpoint` asks any server that speaks OpenAI's chat completions, `LocalModel` a model of a folder of this machine, and
`Titles` a small net that learned the catalogue's own titles. What they write is checked against the text that it was
made from, kept, counted where it is refused. All are operators on words: in a plan they are steps as any other.
"""

from __future__ import annotations

from leaven.generators.text.catalog_language_model import Titles
from leaven.generators.text.endpoint import Endpoint
from leaven.generators.text.local_llm import LocalModel

__all__ = ["Endpoint", "LocalModel", "Titles"]
