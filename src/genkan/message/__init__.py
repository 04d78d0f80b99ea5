# SPDX-License-Identifier: Apache-2.0
"""The mail object as others share it: its envelope, its trace fields, its header section (RFC 5321, 2.3.1).

Pure: no clock, no socket, no database; nothing here knows where mail is kept or where it goes.
"""
