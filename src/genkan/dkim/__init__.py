# SPDX-License-Identifier: Apache-2.0
"""Who answers for mail by signature: DKIM verified and signed, ARC verified (RFC 6376, 8301, 8463, 8617).

Pure: no DNS, no clock, no event loop, no files. Questions to the DNS are values, their answers come back as values, and the body
passes through in chunks.
"""
