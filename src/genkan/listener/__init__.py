# SPDX-License-Identifier: Apache-2.0
"""1. Accept connections: sockets, TLS, PROXY headers and the shell around the protocol. No mail policy, no storage."""
