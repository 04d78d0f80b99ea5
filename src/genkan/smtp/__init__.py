# SPDX-License-Identifier: Apache-2.0
"""The SMTP protocol without I/O: octets in, events and octets out. Imports nothing else of ours."""
