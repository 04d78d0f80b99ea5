# SPDX-License-Identifier: Apache-2.0
"""`python -m genkan` is the command `genkan`."""

from __future__ import annotations

from genkan.admin.cli import main

if __name__ == "__main__":
    main(prog_name="genkan")
