# SPDX-License-Identifier: Apache-2.0
"""Genkan, an SMTP receiver."""

from __future__ import annotations

__version__ = "0.1.0"
