"""What would a language model write of an item, and is it true?

`Endpoint` asks any server that speaks OpenAI's chat completions, `LocalModel` a model of a folder of this machine. What
they write is checked against the text that it was made from, kept in a file of answers, counted where it is refused.
Both are operators on words: in a plan they are steps as any other.
"""

from __future__ import annotations

from leaven.generators.text.endpoint import Endpoint
from leaven.generators.text.local import LocalModel

__all__ = ["Endpoint", "LocalModel"]
