# SPDX-License-Identifier: Apache-2.0
"""Asks a virus scanner about content while it arrives."""
