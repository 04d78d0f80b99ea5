# SPDX-License-Identifier: Apache-2.0
"""DMARC: what the owner of an author's domain wants done with mail in its name, and the reports about it (RFC 9989, RFC 9990).

Pure: the DNS is asked through a lookup that is given, and nothing here knows where a mail or a report goes.
"""
