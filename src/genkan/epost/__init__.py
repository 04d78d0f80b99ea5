# SPDX-License-Identifier: Apache-2.0
"""Reads an E-POST installation for the importer, and says what it could not carry over."""
