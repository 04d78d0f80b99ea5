# SPDX-License-Identifier: Apache-2.0
"""Who runs a command, for the audit trail."""

from __future__ import annotations

import os
import pwd


def operator_name() -> str:
    """The name of the user who runs the program, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
