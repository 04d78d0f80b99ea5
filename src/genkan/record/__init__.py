# SPDX-License-Identifier: Apache-2.0
"""What was decided, kept for a while: every transaction with its verdicts and the facts behind them."""
