"""`python infra/columns.py [TEMPLATE]`: write the columns of rows into the template's Glue table.

They are derived from poolbench.model; `make schema` runs this, and a test fails where the two differ.
"""

import re
import sys
from pathlib import Path

from poolbench.model.arrow import glue_columns

TEMPLATE = Path(__file__).parent / "template.yaml"
_BLOCK = re.compile(r"^( *)Columns:\n(?:\1  - \{Name: \w+, Type: \w+\}\n)+", re.MULTILINE)


def generated(template: str) -> str:
    """Return the template with the columns as the model has them now."""

    def block(found: re.Match[str]) -> str:
        indent = found[1]
        lines = [f"{indent}  - {{Name: {one['Name']}, Type: {one['Type']}}}" for one in glue_columns()]
        return "\n".join([f"{indent}Columns:", *lines, ""])

    return _BLOCK.sub(block, template)


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TEMPLATE
    path.write_text(generated(path.read_text(encoding="utf-8")), encoding="utf-8")
