# SPDX-License-Identifier: Apache-2.0
"""Asks the DNS for everybody: one resolver with a cache, never blocking, never beyond its deadline."""
