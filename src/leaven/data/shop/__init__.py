"""What can be reached at best? A simulated shop whose truth is known.

`Shop(...).open()` gives a `World`: its histories, its law of the next item, its log with dirt.
"""

from leaven.data.shop.chains import first_order, second_order
from leaven.data.shop.dirt import Dirt
from leaven.data.shop.tables import Log
from leaven.data.shop.world import Shop, World

__all__ = ["Dirt", "Log", "Shop", "World", "first_order", "second_order"]
