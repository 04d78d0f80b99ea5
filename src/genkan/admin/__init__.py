# SPDX-License-Identifier: Apache-2.0
"""For operators: the command line, and the operations behind it."""
