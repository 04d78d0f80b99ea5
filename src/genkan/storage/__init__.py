# SPDX-License-Identifier: Apache-2.0
"""Databases: opening, migrating, naming what went wrong. What is kept in them is for `directory` and `spool` to say."""
