# SPDX-License-Identifier: Apache-2.0
"""Passes spooled mail on, one recipient at a time, and says what became of it (RFC 5321, 2.3.10 and 6.1)."""
