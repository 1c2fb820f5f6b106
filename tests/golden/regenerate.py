"""Pin the digests anew: `python -m tests.golden.regenerate`, from the root of the repository. Prints what changed."""

from __future__ import annotations

import json
from typing import Any

from tests.golden import draws, expanded
from tests.golden.digest import FILE, pinned


def main() -> None:
    """Write digests.json."""
    before, found = pinned(), dict[str, Any]()
    cases = [(family, kind, draws.digests_of) for family, kind in draws.cases()]
    cases += [("expanded", name, lambda _, name: expanded.digests_of(name)) for name in expanded.SPECS]
    for family, kind, digests in cases:
        found.setdefault(family, {})[kind] = made = digests(family, kind)
        if before.get(family, {}).get(kind) != made:
            print(f"pinned {family}/{kind}")
    FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
