# SPDX-License-Identifier: Apache-2.0
"""May it come in? Checks that answer with a verdict, in the order that `chain.py` shows."""
