# SPDX-License-Identifier: Apache-2.0
"""Pages for people outside: so far, leaving a mailing list."""
