"""Simulated shop, video, music and social worlds with known behavior, as ground truth.

`Simulator(...).build_world()` returns a `World`: its histories, the probabilities of the next item, its corrupted log.
"""

from leaven.simulator.corruption import Dirt
from leaven.simulator.export_tables import Log
from leaven.simulator.markov_chains import first_order, second_order
from leaven.simulator.simulator import Shop, World

__all__ = ["Dirt", "Log", "Shop", "World", "first_order", "second_order"]
