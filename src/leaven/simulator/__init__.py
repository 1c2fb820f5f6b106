"""Simulated shop, video, music and social worlds with known behavior, as ground truth.

`Simulator(...).build_world()` returns a `World`: its histories, the probabilities of the next item, its corrupted log.
"""

from leaven.simulator.corruption import Corruption
from leaven.simulator.export_tables import SimulatedLog
from leaven.simulator.markov_chains import simulate_first_order, simulate_second_order
from leaven.simulator.simulator import Simulator, World

__all__ = ["Corruption", "SimulatedLog", "Simulator", "World", "simulate_first_order", "simulate_second_order"]
