"""What can be reached at best? A simulated shop whose truth is known.

`Shop(...).open()` gives a `World`: its histories, its law of the next item, its log with dirt.
"""

from leaven.simulator.corruption import Dirt
from leaven.simulator.export_tables import Log
from leaven.simulator.markov_chains import first_order, second_order
from leaven.simulator.simulator import Shop, World

__all__ = ["Dirt", "Log", "Shop", "World", "first_order", "second_order"]
